// Ports of the cluster that something on the way drops.
import type { MachineFacts } from '../machine-facts.ts';
import { isTrue } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { addressOf, entityOf, isControlPlane, isRunning, list, nodeNamed, on, seenOn } from './on-machine.ts';

type Drop = NonNullable<MachineFacts['firewall']>['drops'][number];
type Row = NonNullable<MachineFacts['reach']>[number];

function dropsOf({ facts }: MachineLook, port: number, protocol: string): readonly Drop[] {
  return (facts.firewall?.drops ?? []).filter(
    each => each.port === port && (each.protocol === protocol || each.protocol === ''),
  );
}

/** Nothing came back, which is what a dropped packet looks like; a refusal means that nobody listens. */
function isSwallowed({ ok, says }: Row): boolean {
  return !ok && !/refused|does not resolve|no such host/.test(says);
}

const open = (machine: MachineLook, drop: Drop | undefined): readonly string[] =>
  drop
    ? [
        on(machine, `sudo nft -a list ruleset | grep -n 'dport.*${drop.port}'   # its table, chain and handle`),
        on(machine, 'sudo nft delete rule FAMILY TABLE CHAIN handle N'),
        'to last: the same in what wrote the rule (ufw, firewalld, /etc/nftables.conf)',
      ]
    : [on(machine, 'sudo nft list ruleset'), 'and the same on the machine at the other end, and on what is between'];

export const apiPortBlocked: Rule = {
  id: 'api-port-blocked',
  layer: 'machine',
  symptom: 'A node is NotReady although its kubelet runs; the kubelet says "dial tcp …:6443: i/o timeout".',
  cause: 'The machine does not reach the API server’s port: a firewall on it, on the control plane, or between.',
  cure: 'Find the rule and take it away, or open 6443/tcp.',
  sources: ['kubernetes docs: reference/networking/ports-and-protocols'],
  needs: ['machine.reach', 'machine.firewall', 'machine.health', 'api.nodes'],
  explains: [
    { rule: 'kubelet-crashes', by: 'machine' },
    { rule: 'node-not-ready', by: 'machine' },
  ],
  find: snapshot =>
    machinesWith(snapshot, 'reach').flatMap(({ machine, value }): readonly Finding[] => {
      const row = value.find(each => isApi(snapshot, each) && isSwallowed(each));
      if (!row) return [];
      // Where nobody reaches it, it is the API server that is missing.
      const reaching = machinesWith(snapshot, 'reach').filter(each =>
        each.value.some(other => other.to === row.to && other.port === row.port && other.ok),
      );
      const [drop] = dropsOf(machine, row.port, 'tcp');
      // One question without an answer says less than a node that reports, or an API server that is slow to everybody.
      const node = nodeNamed(snapshot, machine.name);
      const isHeard = node !== undefined && isTrue(node, 'Ready');
      if (!drop && (reaching.length === 0 || isHeard || isApiUnwell(snapshot))) return [];
      return [
        {
          says: `${machine.name} does not reach the API server (${row.to}:${row.port}, ${row.says})${drop ? `: its own firewall drops it (${drop.rule})` : `, and ${list(reaching.map(each => each.machine.name))} ${reaching.length > 1 ? 'do' : 'does'}`}`,
          severity: 'error',
          certainty: drop ? 'certain' : 'likely',
          ...(drop ? {} : { settledBy: `sudo nft list ruleset on ${machine.name} and on the control plane` }),
          about: [entityOf(machine)],
          evidence: [
            ...(drop ? [seenOn(machine, drop.rule, 'sudo nft list ruleset')] : []),
            seenOn(machine, `${row.to}:${row.port}: ${row.says}`, `curl -k -m 3 https://${row.to}:${row.port}/livez`),
          ],
          cure: open(machine, drop),
        },
      ];
    }),
};

/** By what a control plane says of its own. */
function isApiUnwell(snapshot: Snapshot): boolean {
  return machinesWith(snapshot, 'health').some(({ value }) => value['apiserver']?.ok === false);
}

function isApi(snapshot: Snapshot, { to, port }: Row): boolean {
  const endpoint = snapshot.declared?.endpoint;
  return port === 6443 || (to === endpoint && port !== 22 && port !== 0 && port !== 10250);
}

export const kubeletPortBlocked: Rule = {
  id: 'kubelet-port-blocked',
  layer: 'machine',
  symptom: 'A node is Ready, and kubectl logs, exec, top and webhooks on it time out.',
  cause: 'The control plane does not reach the kubelet’s port 10250: a firewall on the machine or between.',
  cure: 'Find the rule and take it away, or open 10250/tcp.',
  sources: ['kubernetes docs: reference/networking/ports-and-protocols'],
  needs: ['machine.reach', 'machine.firewall', 'machine.units', 'machine.listening', 'api.nodes'],
  explains: [],
  find: snapshot =>
    snapshot.machines.flatMap((machine): readonly Finding[] => {
      const { units, listening } = machine.facts;
      const unit = units?.['kubelet'];
      // A kubelet that does not run or does not answer is another story.
      if (!unit || !isRunning(unit) || unit.frozen || listening?.includes(10250) === false) return [];
      const [drop] = dropsOf(machine, 10250, 'tcp');
      const address = nodeNamed(snapshot, machine.name);
      const names = [machine.name, machine.address, address ? addressOf(address) : ''];
      const rows = machinesWith(snapshot, 'reach')
        .filter(each => isControlPlane(each.machine, snapshot))
        .flatMap(by =>
          by.value.filter(({ to, port }) => port === 10250 && names.includes(to)).map(row => ({ by: by.machine, row })),
        );
      const swallowed = rows.find(({ row }) => isSwallowed(row));
      const isReached = rows.some(({ row }) => row.ok);
      // Others of its ports answer from there: otherwise it is the link, not this port.
      const isAlive =
        swallowed?.by.facts.reach?.some(({ to, port, ok }) => names.includes(to) && port !== 10250 && ok) === true;
      if (isReached || (!drop && !(swallowed && isAlive))) return [];
      return [
        {
          says: `the control plane does not reach the kubelet of ${machine.name} (10250/tcp)${drop ? `: a firewall there drops it (${drop.rule})` : ''}: logs, exec and metrics fail`,
          severity: 'error',
          certainty: drop && swallowed ? 'certain' : 'likely',
          ...(drop && swallowed ? {} : { settledBy: `from a control plane: nc -zv -w2 ${machine.name} 10250` }),
          about: [entityOf(machine)],
          evidence: [
            ...(drop ? [seenOn(machine, drop.rule, 'sudo nft list ruleset')] : []),
            ...(swallowed
              ? [
                  seenOn(
                    swallowed.by,
                    `${machine.name}:10250: ${swallowed.row.says}`,
                    `nc -zv -w2 ${machine.name} 10250`,
                  ),
                ]
              : []),
          ],
          cure: open(machine, drop),
        },
      ];
    }),
};

export const tunnelPortBlocked: Rule = {
  id: 'tunnel-port-blocked',
  layer: 'machine',
  symptom: 'Machines reach each other, pods on different machines do not; names resolve on some machines only.',
  cause: 'A firewall drops the tunnel between machines: VXLAN, 8472/udp.',
  cure: 'Find the rule and take it away, or open 8472/udp between the machines.',
  sources: ['cilium docs: operations/system_requirements, firewall rules', 'flannel docs: backends, vxlan'],
  needs: ['machine.firewall', 'machine.cni'],
  explains: [{ rule: 'webhook-unreached', by: 'machine' }],
  find: snapshot =>
    machinesWith(snapshot, 'firewall').flatMap(({ machine }): readonly Finding[] => {
      const [drop] = dropsOf(machine, 8472, 'udp');
      const links = machine.facts.cni?.links;
      const tunnel = links?.find(({ name }) => /^(cilium_vxlan|flannel\.\d+)$/.test(name));
      if (!drop || (links !== undefined && !tunnel)) return [];
      return [
        {
          says: `a firewall on ${machine.name} drops the pods’ tunnel (8472/udp: ${drop.rule}): its pods and those of other machines do not reach each other`,
          severity: 'error',
          certainty: tunnel ? 'certain' : 'possible',
          ...(tunnel ? {} : { settledBy: on(machine, 'ip -br link | grep -E "cilium_vxlan|flannel"') }),
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, drop.rule, 'sudo nft list ruleset'),
            ...(tunnel ? [seenOn(machine, `${tunnel.name} is there`, 'ip -br link')] : []),
          ],
          cure: open(machine, drop),
        },
      ];
    }),
};

export const firewallRules: readonly Rule[] = [apiPortBlocked, kubeletPortBlocked, tunnelPortBlocked];
