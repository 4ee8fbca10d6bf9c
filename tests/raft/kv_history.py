#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Kills and stops the leaders of a replicated store (docs/examples/raft_kv) while clients use it, and checks
whether what the clients saw can be explained by one register per key.

usage: kv_history.py RAFT_KV KILLS SECONDS [ELECTION_MS]    at most so many leaders, and so long, but three of them
       kv_history.py --check                                whether the checker itself can tell

The search is that of J. Wing and C. Gong, "Testing and verifying concurrent objects", 1993, with the memory of
what has been tried of G. Lowe, "Testing for linearizability", 2017: operations are put in an order that keeps
what ended before another began, one at a time; a set of operations that leaves a state is tried once.  Keys are
independent of each other, so each is checked by itself.
"""
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SERVERS = 3
CLIENTS = 5
KEYS = 3
CLIENT_PORTS = 100
ANSWER_SECONDS = 5


# ---- The checker -----------------------------------------------------------------------------------

class Operation:
    """ended: infinity if it is not known whether it has happened; it may then happen at any time."""

    def __init__(self, kind, arguments, begun, ended=math.inf, result=None):
        self.kind, self.arguments = kind, arguments
        self.begun, self.ended, self.result = begun, ended, result

    def after(self, state):
        """Whether it can have its result in this state, and the state that it leaves."""
        known = self.result is not None
        if self.kind == 'set':
            return True, self.arguments[0]
        if self.kind == 'get':
            return not known or self.result == state, state
        old, new = self.arguments
        happens = state == old
        if known and self.result != happens:
            return False, state
        return True, new if happens else state


def is_linearizable(operations):
    operations = sorted(operations, key=lambda operation: operation.begun)
    complete = 0
    for i, operation in enumerate(operations):
        if operation.ended != math.inf:
            complete |= 1 << i
    tried = {(0, None)}
    stack = [(0, None)]
    while stack:
        done, state = stack.pop()
        if complete & ~done == 0:
            return True
        left = [(i, operation) for i, operation in enumerate(operations) if not done >> i & 1]
        first_end = min(operation.ended for _, operation in left)
        for i, operation in left:
            if operation.begun > first_end:
                break
            possible, then = operation.after(state)
            step = (done | 1 << i, then)
            if possible and step not in tried:
                tried.add(step)
                stack.append(step)
    return False


def check_checker():
    def told(*operations):
        return is_linearizable(as_states([Operation(*operation) for operation in operations]))

    # One after the other, and at the same time.
    assert told(('set', ('1',), 0, 1, True), ('get', (), 2, 3, '1'))
    assert told(('set', ('1',), 0, 5, True), ('get', (), 1, 2, ''), ('get', (), 3, 4, '1'))
    # An answer from the past; a new value and then the old one; a value of nobody's.
    assert not told(('set', ('1',), 0, 1, True), ('set', ('2',), 2, 3, True), ('get', (), 4, 5, '1'))
    assert not told(('set', ('1',), 0, 1, True), ('set', ('2',), 2, 9, True), ('get', (), 3, 4, '2'),
                    ('get', (), 5, 6, '1'))
    assert not told(('get', (), 0, 1, '7'))
    # What was answered and is lost.
    assert not told(('set', ('1',), 0, 1, True), ('get', (), 2, 3, ''))
    # In doubt: it has happened, late, or never; but not twice.
    assert told(('set', ('1',), 0), ('get', (), 5, 6, '1'))
    assert told(('set', ('1',), 0), ('set', ('2',), 1, 2, True), ('get', (), 5, 6, '2'),
                ('get', (), 7, 8, '1'))
    assert not told(('set', ('1',), 0), ('set', ('2',), 1, 2, True), ('get', (), 3, 4, '1'),
                    ('set', ('3',), 5, 6, True), ('get', (), 7, 8, '1'))
    assert told(('set', ('1',), 0, 1, True), ('cas', ('1', '2'), 2), ('get', (), 3, 4, '2'))
    assert not told(('set', ('1',), 0, 1, True), ('cas', ('1', '2'), 2, 3, True),
                    ('cas', ('1', '3'), 4, 5, True))


# ---- The servers -----------------------------------------------------------------------------------

class Cluster:
    def __init__(self, program, folder, election_ms=300):
        self.program, self.folder, self.election_ms = program, folder, election_ms
        self.port = self.free_ports()
        self.servers = {}
        for number in range(1, SERVERS + 1):
            self.start(number)

    @staticmethod
    def free_ports():
        """Below those that the kernel gives to others."""
        for _ in range(200):
            port = random.randrange(12000, 32000, 128)
            taken = []
            try:
                for number in range(1, SERVERS + 1):
                    for offset in (0, CLIENT_PORTS):
                        taken.append(socket.socket())
                        taken[-1].bind(('127.0.0.1', port + offset + number))
                return port
            except OSError:
                continue
            finally:
                for each in taken:
                    each.close()
        sys.exit('no free ports')

    def start(self, number):
        with open(f'{self.folder}/out.{number}', 'ab') as out:
            self.servers[number] = subprocess.Popen(
                self.command(number), stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def command(self, number):
        return [self.program, 'serve', f'{self.folder}/{number}', str(number), str(SERVERS), str(self.port),
                '--election', str(self.election_ms)]

    def kill(self, number):
        self.servers[number].kill()
        self.servers[number].wait()

    def address(self, number):
        return '127.0.0.1', self.port + CLIENT_PORTS + number

    def leader(self, other_than=None):
        for number in random.sample(range(1, SERVERS + 1), SERVERS):
            if number == other_than:
                continue  # it may be stopped, and would not answer
            if ': leader,' in (self.status(number) or ''):
                return number
        return None

    def status(self, number):
        """What the server says of itself; None: nothing."""
        try:
            with socket.create_connection(self.address(number), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b'status\n')
                return connection.recv(4096).decode().strip()
        except OSError:
            return None

    def check_running(self):
        for number, server in self.servers.items():
            if server.poll() is not None:
                with open(f'{self.folder}/out.{number}', errors='replace') as out:
                    sys.exit(f'server {number} has ended ({server.returncode}):\n' + out.read()[-2000:])

    def close(self):
        for server in self.servers.values():
            server.send_signal(signal.SIGCONT)
            server.kill()
            server.wait()


# ---- The clients -----------------------------------------------------------------------------------

class Client(threading.Thread):
    def __init__(self, cluster, history, number):
        super().__init__(daemon=True)
        self.cluster, self.history, self.number = cluster, history, number
        self.random = random.Random(number)
        self.server = number % SERVERS + 1
        self.connection = None
        self.count = 0

    def drop(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self.server = self.server % SERVERS + 1

    def ask(self, line):
        """What the server says; None: it is in doubt; False: it has not happened."""
        try:
            if self.connection is None:
                self.connection = socket.create_connection(self.cluster.address(self.server), 1)
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.drop()
            return False
        try:
            self.connection.settimeout(ANSWER_SECONDS)
            self.connection.sendall(line.encode())
            answer = b''
            while not answer.endswith(b'\n'):
                more = self.connection.recv(4096)
                if not more:
                    raise OSError('closed')
                answer += more
        except OSError:
            self.drop()
            return None
        answer = answer.decode().strip()
        if answer.startswith('maybe'):
            return None
        if answer.startswith(('no ', 'refused')):
            self.drop()
            return False
        return answer

    def run(self):
        while not self.history.is_over:
            key = self.history.key(self.random)
            kind = self.random.choice(('set', 'set', 'get', 'get', 'get', 'cas'))
            self.count += 1
            new = f'{self.number}.{self.count}'
            arguments = {'set': (new,), 'get': (), 'cas': (self.history.guess(key), new)}[kind]
            operation = Operation(kind, arguments, time.monotonic())
            answer = self.ask(' '.join((kind, key) + arguments) + '\n')
            now = time.monotonic()
            if answer is False:
                time.sleep(0.01)
                continue
            if answer is not None:
                operation.ended = now
                if kind == 'get':
                    operation.result = answer[6:] if answer.startswith('value ') else ''
                elif kind == 'cas':
                    operation.result = answer == 'ok'
                elif answer != 'ok':
                    self.history.error = f'set: {answer}'
                else:
                    operation.result = True
            self.history.add(key, operation)
            time.sleep(self.random.random() * 0.01)


class History:
    """Each round, which is one kill, has keys of its own, so that a key's history stays short.  They are asked for
    in the next two rounds too: servers that were killed meanwhile have got them from others."""

    def __init__(self):
        self.lock = threading.Lock()
        self.round = 0
        self.keys = {}
        self.last = {}
        self.is_over = False
        self.error = None
        self.checked = self.answered = self.in_doubt = 0

    def __str__(self):
        return f'{self.answered} operations answered, {self.in_doubt} in doubt, {self.checked} keys'

    def key(self, chance):
        return f'r{max(0, self.round - chance.choice((0, 0, 0, 1, 2)))}k{chance.randrange(KEYS)}'

    def guess(self, key):
        return self.last.get(key, 'nothing')

    def add(self, key, operation):
        with self.lock:
            if operation.ended == math.inf:
                self.in_doubt += 1
                if operation.kind == 'get':
                    return
            else:
                self.answered += 1
            self.keys.setdefault(key, []).append(operation)
            if operation.kind != 'get':
                self.last[key] = operation.arguments[-1]

    def check(self, before_round):
        """Those of rounds that no client is in any more."""
        with self.lock:
            old = [key for key in self.keys if int(key[1:key.index('k')]) < before_round]
            histories = {key: self.keys.pop(key) for key in old}
            for key in old:
                self.last.pop(key, None)
        for key, operations in histories.items():
            if not is_linearizable(as_states(operations)):
                for operation in sorted(operations, key=lambda each: each.begun):
                    print(f'{operation.begun:.6f} {operation.ended:.6f} {operation.kind} '
                          f'{operation.arguments} -> {operation.result}')
                sys.exit(f'key {key}: no order of these explains what was answered')
            self.checked += 1


def as_states(operations):
    """A key that is not there is a state too: ''."""
    return [Operation('set', ('',), -math.inf, -math.inf, True)] + operations


def wait_for_leader(cluster, other_than=None):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        leader = cluster.leader(other_than)
        if leader is not None:
            return leader
        cluster_ended = [each for each, server in cluster.servers.items() if server.poll() is not None]
        if any(each != other_than for each in cluster_ended):
            cluster.check_running()
        time.sleep(0.02)
    sys.exit('no server leads')


def disturb(cluster, kills, end, history):
    """Kills leaders, and stops every fourth instead, as if it were cut off for a time."""
    killed = stopped = 0
    begun = time.monotonic()
    while killed < kills and (killed < 3 or time.monotonic() < end):
        leader = wait_for_leader(cluster)
        history.round += 1
        time.sleep(random.random() * 0.3)  # What is answered now is asked for after the kill.
        was_killed = (killed + stopped) % 4 != 3
        if not was_killed:
            cluster.servers[leader].send_signal(signal.SIGSTOP)
            wait_for_leader(cluster, leader)
            time.sleep(random.random() * 0.2)
            cluster.servers[leader].send_signal(signal.SIGCONT)
            stopped += 1
        else:
            cluster.kill(leader)
            if random.random() < 0.7:
                wait_for_leader(cluster, leader)
            cluster.start(leader)
            killed += 1
        if was_killed and killed % 100 == 0:
            print(f'{killed} leaders killed in {time.monotonic() - begun:.0f} s, {history.answered} operations',
                  flush=True)
        history.check(history.round - 12)
    return killed, stopped


def observe(cluster, folder, disturb):
    """Runs clients until disturb(history) returns, and checks what they saw; ends the cluster."""
    history = History()
    failed = True
    try:
        wait_for_leader(cluster)
        clients = [Client(cluster, history, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        disturb(history)
        wait_for_leader(cluster)
        time.sleep(0.3)
        history.is_over = True
        for client in clients:
            client.join()
        history.check(math.inf)
        cluster.check_running()
        if history.error is not None:
            sys.exit(history.error)
        failed = False
    finally:
        history.is_over = True
        cluster.close()
        if failed:
            for number in range(1, SERVERS + 1):
                with open(f'{folder}/out.{number}', errors='replace') as out:
                    print(f'-- server {number}:\n' + out.read()[-1500:])
    return history


def main():
    if sys.argv[1:] == ['--check']:
        check_checker()
        return
    program, kills, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    election_ms = int(sys.argv[4]) if len(sys.argv) > 4 else 300
    check_checker()
    folder = tempfile.mkdtemp(prefix='raft_kv.', dir='.')
    try:
        cluster = Cluster(program, folder, election_ms)
        counts = []
        begun = time.monotonic()
        history = observe(cluster, folder,
                          lambda seen: counts.extend(disturb(cluster, kills, begun + seconds, seen)))
        print(f'{counts[0]} of {kills} leaders killed, {counts[1]} stopped, in {time.monotonic() - begun:.0f} s: '
              f'{history}, all linearizable')
        if history.answered < 20 * counts[0]:
            sys.exit('too few operations to tell')
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
