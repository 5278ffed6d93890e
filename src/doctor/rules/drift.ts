// A cluster that differs from its inventory.
import semver from 'semver';
import type { Finding, Rule } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';
import { addressOf, entityOf, list, nodeNamed } from './on-machine.ts';

type Host = NonNullable<Snapshot['declared']>['hosts'][number];

/** Nodes are known, and there is something to compare with. */
function declaredHosts(snapshot: Snapshot): readonly Host[] {
  return snapshot.lists.nodes.state === 'seen' ? (snapshot.declared?.hosts ?? []) : [];
}

const inventory = (says: string) => ({ says, from: 'inventory', again: 'homelab validate' });
const cluster = (says: string) => ({ says, from: 'API server', again: 'kubectl get nodes -o wide' });
const drift = { layer: 'platform', sources: ['README: Inventory'], needs: ['api.nodes'] } as const;

export const hostMissing: Rule = {
  ...drift,
  id: 'host-missing',
  symptom: 'A machine of the inventory is not among the nodes.',
  cause: 'It never joined, or somebody took it out of the cluster.',
  cure: 'Let it join, or take it out of the inventory.',
  explains: [],
  find: snapshot =>
    declaredHosts(snapshot)
      .filter(({ name }) => nodeNamed(snapshot, name) === undefined)
      .map(
        ({ name, role }): Finding => ({
          says: `${name} stands in the inventory as ${role} and is no node of the cluster`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf({ name })],
          evidence: [cluster(`no node ${name}`), inventory(`${name}: ${role}`)],
          cure: [`homelab join-node ${name}`, `homelab remove-node ${name}   # or out of the inventory`],
        }),
      ),
};

export const nodeUndeclared: Rule = {
  ...drift,
  id: 'node-undeclared',
  symptom: 'A node is in the cluster that the inventory does not know.',
  cause: 'Somebody joined it by hand, or it is what is left of a machine under an earlier name.',
  cure: 'Write it into the inventory, or delete the node.',
  explains: [],
  find(snapshot) {
    const hosts = declaredHosts(snapshot);
    if (hosts.length === 0) return [];
    return objects(snapshot, 'nodes')
      .filter(({ metadata }) => !hosts.some(({ name }) => name === metadata.name))
      .map(
        (node): Finding => ({
          says: `${node.metadata.name} is a node of the cluster and not in the inventory: homelab leaves it alone`,
          severity: 'note',
          certainty: 'certain',
          about: [entityOf({ name: node.metadata.name })],
          evidence: [cluster(`node ${node.metadata.name}, ${addressOf(node)}`)],
          cure: [
            `homelab join-node ${node.metadata.name} --address ${addressOf(node) || 'ADDRESS'}   # takes it into the inventory`,
            `kubectl delete node ${node.metadata.name}   # when it does not exist any more`,
          ],
        }),
      );
  },
};

export const roleDiffers: Rule = {
  ...drift,
  id: 'role-differs',
  symptom: 'A machine has another role than the inventory says.',
  cause: 'The inventory was edited, or the machine was joined as something else.',
  cure: 'Correct the inventory, or remove the machine and join it anew.',
  explains: [],
  find: snapshot =>
    declaredHosts(snapshot).flatMap(({ name, role }): readonly Finding[] => {
      const node = nodeNamed(snapshot, name);
      if (!node) return [];
      const is = 'node-role.kubernetes.io/control-plane' in node.metadata.labels ? 'control-plane' : 'worker';
      if (is === role) return [];
      return [
        {
          says: `${name} is a ${is} in the cluster and a ${role} in the inventory`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf({ name })],
          evidence: [cluster(`${name}: ${is}`), inventory(`${name}: ${role}`)],
          cure: [
            `role: ${is}   # in the inventory`,
            `homelab remove-node ${name} && homelab join-node ${name}   # or on the machine`,
          ],
        },
      ];
    }),
};

export const addressDiffers: Rule = {
  ...drift,
  id: 'address-differs',
  symptom: 'A node has another address than the inventory.',
  cause: 'The machine joined with another one, or the inventory was edited.',
  cure: 'Correct the inventory; an address of a member is not changed.',
  explains: [],
  find: snapshot =>
    declaredHosts(snapshot).flatMap(({ name, address }): readonly Finding[] => {
      const node = nodeNamed(snapshot, name);
      const is = node ? addressOf(node) : '';
      // A name as address says nothing of it.
      if (is === '' || is === address || !/^[0-9.]+$/.test(address)) return [];
      return [
        {
          says: `${name} is known to the cluster as ${is}, and to the inventory as ${address}`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf({ name })],
          evidence: [cluster(`InternalIP ${is}`), inventory(`address: ${address}`)],
          cure: [`address: ${is}   # in the inventory, if that is right`],
        },
      ];
    }),
};

export const versionDiffers: Rule = {
  ...drift,
  id: 'version-differs',
  symptom: 'The cluster runs another version than the inventory says.',
  cause: 'It was upgraded past homelab, or the inventory was edited instead of upgraded.',
  cure: 'homelab upgrade, or correct the inventory.',
  explains: [],
  find(snapshot) {
    const wanted = semver.coerce(snapshot.declared?.version)?.version;
    const members = declaredHosts(snapshot).flatMap(({ name }) => {
      const is = semver.coerce(nodeNamed(snapshot, name)?.status.nodeInfo.kubeletVersion)?.version;
      return is === undefined ? [] : [{ name, is }];
    });
    const [first] = members;
    // Where machines differ from one another, that is what there is to say.
    if (!first || wanted === undefined || members.some(({ is }) => is !== first.is) || first.is === wanted) return [];
    const isNewer = semver.gt(first.is, wanted);
    return [
      {
        says: `the cluster runs v${first.is}, and the inventory says v${wanted}`,
        severity: 'warning',
        certainty: 'certain',
        about: ['object:inventory'],
        evidence: [
          cluster(`kubelet v${first.is} on ${list(members.map(({ name }) => name))}`),
          inventory(`kubernetes.version: v${wanted}`),
        ],
        cure: isNewer
          ? [`kubernetes: {version: "v${first.is}"}   # in the inventory`]
          : [`homelab upgrade --to v${wanted}`],
      },
    ];
  },
};
