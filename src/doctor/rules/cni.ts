// The network plugin's files on a machine: gone, two of them, or a bridge of an earlier one.
import { word } from '../reading.ts';
import type { Finding, Rule } from '../rule.ts';
import { machinesWith } from '../snapshot.ts';
import { entityOf, nodeNamed, on, readyOf, seenOn } from './on-machine.ts';

const folder = '/etc/cni/net.d';

export const cniGone: Rule = {
  id: 'cni-config-gone',
  layer: 'runtime',
  symptom:
    'A node is NotReady: "cni plugin not initialized" or "network plugin is not ready"; its pods stay in ContainerCreating.',
  cause: 'There is no network configuration in /etc/cni/net.d.',
  cure: 'Write it again, or let the network plugin do so: its agent on that node writes it when it starts.',
  sources: [
    'containerd docs: cri/config.md, CNI configuration',
    'kubernetes/kubernetes pkg/kubelet/kubelet.go, networkErrors',
  ],
  needs: ['machine.cni', 'machine.units', 'api.nodes'],
  explains: [
    { rule: 'cni-not-initialised', by: 'machine' },
    { rule: 'node-not-ready', by: 'machine' },
  ],
  find: snapshot =>
    machinesWith(snapshot, 'cni').flatMap(({ machine, value }): readonly Finding[] => {
      const kubelet = machine.facts.units?.['kubelet'];
      if (value.files.length > 0 || kubelet === undefined || kubelet.load === 'not-found') return [];
      const node = nodeNamed(snapshot, machine.name);
      const others = machinesWith(snapshot, 'cni').flatMap(each =>
        each.value.files.map(({ name }) => ({ name, on: each.machine.name })),
      );
      const [model] = others;
      const hasCilium = value.links.some(({ name }) => name.startsWith('cilium_'));
      // A bare machine has none yet: only what is a member misses it.
      if (node === undefined && snapshot.lists.nodes.state === 'seen') return [];
      const ready = readyOf(node);
      const said = ready && /cni|network/.test(ready.message) ? ready.message : undefined;
      // A kubelet that is well, or misses something else, may read another folder.
      const isContradicted = said === undefined && ready !== undefined && ready.status !== 'Unknown';
      return [
        {
          says: `${machine.name} has no network configuration in ${folder}${model ? ` (${model.on} has ${model.name})` : ''}: no pod gets an address there`,
          severity: 'error',
          certainty: isContradicted ? 'likely' : 'certain',
          ...(isContradicted
            ? { settledBy: `kubectl describe node ${machine.name}   # does the kubelet name the network?` }
            : {}),
          about: [entityOf(machine)],
          evidence: [
            seenOn(machine, `${folder} has no .conf, .conflist or .json`, `ls -l ${folder}`),
            ...(said === undefined
              ? []
              : [{ says: said, from: 'API server', again: `kubectl describe node ${machine.name}` }]),
          ],
          cure: hasCilium
            ? [
                `kubectl -n kube-system delete pod -l k8s-app=cilium --field-selector spec.nodeName=${machine.name}   # it writes its file when it starts`,
              ]
            : [
                'homelab bootstrap   # writes it anew, where network.provider is basic',
                on(machine, `ls -l ${folder}   # a file that was renamed (.bak, .cilium_bak)?`),
              ],
        },
      ];
    }),
};

/** They call others themselves, and stand before them on purpose. */
const meta = /^(multus|multus-cni|genie)$/;

export const cniTwice: Rule = {
  id: 'cni-configs-two',
  layer: 'runtime',
  symptom: 'Pods of one machine get addresses of another network and are reached by nobody.',
  cause:
    'Two network configurations lie in /etc/cni/net.d; containerd takes the first by name, often one that an earlier plugin left.',
  cure: 'Take the one away that is not the cluster’s, then make the machine’s pods anew.',
  sources: ['containerd docs: cri/config.md, CNI configuration', 'kubernetes/kubernetes#39557'],
  needs: ['machine.cni'],
  explains: [{ rule: 'cni-bridge-foreign', by: 'machine' }],
  find: snapshot => {
    const all = machinesWith(snapshot, 'cni').map(({ machine, value }) => ({
      machine,
      files: value.files.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
    }));
    return all.flatMap(({ machine, files }): readonly Finding[] => {
      const [first, ...ignored] = files;
      const [second] = ignored;
      if (!first || !second || first.types.some(type => meta.test(type))) return [];
      const elsewhere = all.filter(each => each.machine !== machine).flatMap(each => each.files[0]?.name ?? []);
      const differs = elsewhere.length > 0 && elsewhere.every(name => name !== first.name);
      return [
        {
          says: `${machine.name} has ${files.length} network configurations; containerd takes ${first.name} (${first.types.join(', ')}) and ignores ${ignored.map(({ name }) => name).join(', ')}${differs ? `, while the other machines use ${elsewhere[0]}` : ''}`,
          severity: differs ? 'error' : 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, files.map(({ name }) => name).join(', '), `ls -l ${folder}`)],
          cure: [
            on(
              machine,
              `sudo mv ${word(`${folder}/${differs ? first.name : second.name}`)} /root/   # the one that is not the cluster’s`,
            ),
            `kubectl get pods -A -o wide --field-selector spec.nodeName=${machine.name}   # those with a wrong address: delete them, they come back`,
          ],
        },
      ];
    });
  },
};

export const bridgeForeign: Rule = {
  id: 'cni-bridge-foreign',
  layer: 'runtime',
  symptom: 'Pods stay in ContainerCreating: "cni0 already has an IP address different from …".',
  cause: 'A bridge of an earlier network plugin or an earlier cluster is still there, with the addresses of that time.',
  cure: 'Delete the bridge; the plugin makes it anew.',
  sources: ['kubernetes/kubernetes#39557', 'containernetworking/plugins plugins/main/bridge'],
  needs: ['machine.cni', 'api.nodes'],
  explains: [{ rule: 'pod-not-ready', by: 'machine' }],
  find: snapshot =>
    machinesWith(snapshot, 'cni').flatMap(({ machine, value }): readonly Finding[] => {
      const range = nodeNamed(snapshot, machine.name)?.spec.podCIDR ?? '';
      const [inUse] = value.files.toSorted((one, other) => (one.name < other.name ? -1 : 1));
      if (!/^[0-9.]+\/\d+$/.test(range) || !inUse?.types.some(type => type === 'bridge' || type === 'flannel'))
        return [];
      return value.links
        .filter(({ name }) => name === 'cni0')
        .flatMap(({ name, addresses }) =>
          addresses
            .filter(address => !isWithin(address.split('/')[0] ?? '', range))
            .map(
              (address): Finding => ({
                says: `${name} on ${machine.name} has ${address}, and the node’s pods are to be in ${range}: a bridge of an earlier network`,
                severity: 'error',
                certainty: 'certain',
                about: [entityOf(machine)],
                evidence: [
                  seenOn(machine, `${name}: ${address}`, `ip -4 -br address show ${name}`),
                  {
                    says: `podCIDR ${range}`,
                    from: 'API server',
                    again: `kubectl get node ${machine.name} -o jsonpath={.spec.podCIDR}`,
                  },
                ],
                cure: [
                  on(machine, `sudo ip link delete ${word(name)}`),
                  `kubectl get pods -A -o wide --field-selector spec.nodeName=${machine.name}   # delete those outside of ${range}: they come back inside`,
                ],
              }),
            ),
        );
    }),
};

function isWithin(address: string, range: string): boolean {
  const [base = '', bits = '32'] = range.split('/');
  const number = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(address) / size) === Math.floor(number(base) / size);
}

export const cniRules: readonly Rule[] = [cniGone, cniTwice, bridgeForeign];
