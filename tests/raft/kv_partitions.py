#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cuts the network between three servers of a replicated store (docs/examples/raft_kv) while clients use it,
heals it, and checks what the clients saw as kv_history.py does.

usage: kv_partitions.py RAFT_KV FOLDER SECONDS    at most so long, but each kind of cut once

To be run in network and process namespaces of its own (test_raft_partitions.sh makes them): it makes a bridge,
and a namespace for each server.  With the process, all of them are gone.

     clients  10.77.0.254
        |
     --- bridge -----------------
        |          |          |
     10.77.0.1  10.77.0.2  10.77.0.3

A link is cut in one direction: its sender is told a hardware address for the other that nobody has.  So packets
are lost without a word, and what the other sends still arrives.  The clients reach every server at all times, so
a leader that is cut off goes on being asked.
"""
import os
import random
import subprocess
import sys
import time

import kv_history
from kv_history import SERVERS

ELECTION_MS = 150
NOBODY = '02:00:00:00:00:ff'


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)}: {done.stdout.strip()}')


def host(number):
    return f'10.77.0.{number}'


def hardware(number):
    return f'02:00:00:00:00:0{number}'


class Network:
    """A process that sleeps keeps each namespace."""

    def __init__(self):
        self.keepers = {}
        run('ip', 'link', 'add', 'bridge0', 'type', 'bridge')
        run('ip', 'address', 'add', host(254) + '/24', 'dev', 'bridge0')
        run('ip', 'link', 'set', 'bridge0', 'up')
        for number in range(1, SERVERS + 1):
            self.add(number)
        self.cut = set()
        for link in self.links():
            self.send_to(*link, hardware(link[1]))

    def add(self, number):
        own = os.readlink('/proc/self/ns/net')
        keeper = subprocess.Popen(['unshare', '--net', 'sleep', 'infinity'])
        while os.readlink(f'/proc/{keeper.pid}/ns/net') == own:
            if keeper.poll() is not None:
                sys.exit('a network namespace for a server cannot be made')
            time.sleep(0.005)
        self.keepers[number] = keeper
        run('ip', 'link', 'add', f'server{number}', 'type', 'veth', 'peer', 'name', 'wire0', 'address',
            hardware(number), 'netns', str(keeper.pid))
        run('ip', 'link', 'set', f'server{number}', 'master', 'bridge0', 'up')
        run(*self.inside(number), 'ip', 'address', 'add', host(number) + '/24', 'dev', 'wire0')
        run(*self.inside(number), 'ip', 'link', 'set', 'wire0', 'up')

    def inside(self, number):
        return ['nsenter', f'--net=/proc/{self.keepers[number].pid}/ns/net']

    @staticmethod
    def links():
        return [(a, b) for a in range(1, SERVERS + 1) for b in range(1, SERVERS + 1) if a != b]

    def send_to(self, sender, receiver, address):
        run(*self.inside(sender), 'ip', 'neighbour', 'replace', host(receiver), 'lladdr', address, 'dev', 'wire0',
            'nud', 'permanent')

    def set_cut(self, links):
        for link in self.links():
            if (link in links) != (link in self.cut):
                self.send_to(*link, NOBODY if link in links else hardware(link[1]))
        self.cut = set(links)


class Cluster(kv_history.Cluster):
    def __init__(self, program, folder, network):
        self.network = network
        super().__init__(program, folder, ELECTION_MS)

    def free_ports(self):
        return 7100

    def command(self, number):
        return self.network.inside(number) + super().command(number) + ['--hosts', host(0)]

    def address(self, number):
        return host(number), self.port + kv_history.CLIENT_PORTS + number


def others(leader):
    return [number for number in range(1, SERVERS + 1) if number != leader]


# Of each kind: which links are cut; and whether the two others can and must have a leader of theirs.
KINDS = {
    'from both': (lambda leader: [(leader, each) for each in others(leader)] +
                                 [(each, leader) for each in others(leader)], True),
    'from one': (lambda leader: [(leader, others(leader)[0]), (others(leader)[0], leader)], False),
    'deaf': (lambda leader: [(each, leader) for each in others(leader)], True),
    'mute': (lambda leader: [(leader, each) for each in others(leader)], True),
    'to one': (lambda leader: [(leader, others(leader)[1])], False),
    'at random': (lambda leader: random.sample(Network.links(), random.randrange(1, 6)), False),
}


def disturb(cluster, end, history):
    """How often each kind of cut was made."""
    counts = dict.fromkeys(KINDS, 0)
    while min(counts.values()) == 0 or time.monotonic() < end:
        kind = list(KINDS)[sum(counts.values()) % len(KINDS)]
        links, has_other_leader = KINDS[kind]
        leader = kv_history.wait_for_leader(cluster)
        history.round += 1
        time.sleep(random.random() * 0.2)
        cluster.network.set_cut(links(leader))
        time.sleep(random.random() * 0.5)
        if has_other_leader:
            kv_history.wait_for_leader(cluster, leader)
        time.sleep(random.random() * 0.5)
        cluster.network.set_cut([])
        counts[kind] += 1
        history.check(history.round - 12)
    return counts


def wait_until_alike(cluster):
    """All servers have the same log again, and one of them leads.  TCP tries again after two minutes at most: if all of
    this was stopped while a link was cut, it takes as long."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        said = [cluster.status(number) for number in range(1, SERVERS + 1)]
        if None not in said and sum(': leader,' in each for each in said) == 1 and \
                len({tuple(each.split(', ')[i].split(' to ')[-1] for i in (1, 2)) for each in said}) == 1:
            return
        time.sleep(0.1)
    sys.exit(f'the servers do not come together again: {said}')


def main():
    program, folder, seconds = os.path.abspath(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    kv_history.check_checker()
    network = Network()
    cluster = Cluster(program, folder, network)
    print('servers run', flush=True)
    counts = {}
    begun = time.monotonic()

    def cuts(history):
        counts.update(disturb(cluster, begun + seconds, history))
        wait_until_alike(cluster)

    history = kv_history.observe(cluster, folder, cuts)
    kinds = ', '.join(f'{count} {kind}' for kind, count in counts.items())
    print(f'{sum(counts.values())} times a leader was cut off ({kinds}), in {time.monotonic() - begun:.0f} s: '
          f'{history}, all linearizable')
    if history.answered < 20 * sum(counts.values()):
        sys.exit('too few operations to tell')


main()
