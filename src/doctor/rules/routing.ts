// Routes and rules that systemd-networkd takes away.
import type { Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith } from '../snapshot.ts';
import { entityOf, on, seenOn } from './on-machine.ts';

const dropIn = '[Network]\\nManageForeignRoutes=no\\nManageForeignRoutingPolicyRules=no\\n';
const leaveAlone = (machine: MachineLook) =>
  on(
    machine,
    `sudo mkdir -p /etc/systemd/networkd.conf.d && printf '${dropIn}' | sudo tee /etc/systemd/networkd.conf.d/10-kubernetes.conf   # to last`,
  );

export const mainRuleGone: Rule = {
  id: 'routing-rule-gone',
  layer: 'machine',
  symptom: 'After netplan apply, a restart of networkd or a link that came back the machine reaches nobody.',
  cause: 'The rule that looks up the table main is gone: systemd-networkd removes rules that it did not make.',
  cure: 'Add it again, and tell networkd to leave foreign rules alone.',
  sources: ['systemd/systemd#41350', 'cilium/cilium#18706'],
  needs: ['machine.routing'],
  explains: ['api-port-blocked', 'node-not-ready'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'routing')
      .filter(({ value }) => !value.mainRule)
      .map(
        ({ machine }): Finding => ({
          says: `${machine.name} has lost its routing rule for the table main: nothing leaves it by its own routes`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, 'no rule looks up the table main', 'ip rule')],
          cure: [on(machine, 'sudo ip rule add pref 32766 lookup main'), leaveAlone(machine)],
          fix: {
            machine: machine.name,
            title: 'Add the rule for the table main again',
            script: 'ip rule add pref 32766 lookup main\n',
            undo: 'ip rule del pref 32766 lookup main\n',
          },
        }),
      ),
};

export const forwardingOff: Rule = {
  id: 'forwarding-off',
  layer: 'machine',
  symptom: 'Pods of a machine reach nothing beyond it, and nobody reaches them; the machine itself is well.',
  cause: 'net.ipv4.ip_forward is 0: the kernel hands no packet on. Somebody’s sysctl file, or a firewall, set it back.',
  cure: 'Set it to 1, and see which file under /etc/sysctl.d or /usr/lib/sysctl.d says otherwise.',
  sources: ['kubernetes docs: setup/production-environment/container-runtimes, IPv4 packet forwarding'],
  needs: ['machine.sysctl', 'machine.kubelet'],
  explains: ['container-crashing', 'liveness-killed', 'pod-not-ready'].map(rule => ({ rule, by: 'machine' })),
  find: snapshot =>
    machinesWith(snapshot, 'sysctl')
      // Before it is a member nobody asks it to.
      .filter(({ machine, value }) => value['net.ipv4.ip_forward'] === '0' && machine.facts.kubelet !== undefined)
      .map(
        ({ machine }): Finding => ({
          says: `${machine.name} forwards no packets (net.ipv4.ip_forward is 0): its pods reach nothing beyond it`,
          severity: 'error',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [seenOn(machine, 'net.ipv4.ip_forward = 0', 'sysctl net.ipv4.ip_forward')],
          cure: [
            on(machine, 'sudo sysctl -w net.ipv4.ip_forward=1'),
            on(machine, 'grep -rs ip_forward /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d   # which file says 0?'),
            on(machine, 'echo net.ipv4.ip_forward = 1 | sudo tee /etc/sysctl.d/99-homelab-forward.conf   # to last'),
          ],
          fix: {
            machine: machine.name,
            title: 'Let the kernel forward packets',
            script: 'sysctl -w net.ipv4.ip_forward=1\n',
            undo: 'sysctl -w net.ipv4.ip_forward=0\n',
          },
        }),
      ),
};

export const rulesWiped: Rule = {
  id: 'networkd-wipes-rules',
  layer: 'machine',
  symptom: 'Pods of a machine are cut off after netplan apply, a restart of networkd or a link that came back.',
  cause: 'systemd-networkd removes routes and rules that it did not make, and Cilium’s are such.',
  cure: 'Tell it to leave them alone.',
  sources: ['systemd/systemd#41350', 'cilium/cilium#18706', 'networkd.conf(5): ManageForeignRoutingPolicyRules='],
  needs: ['machine.routing', 'machine.cni'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'routing')
      .filter(({ machine, value }) => {
        const hasCilium = (machine.facts.cni?.links ?? []).some(({ name }) => name.startsWith('cilium_'));
        return value.mainRule && value.networkdKeepsForeign === false && hasCilium;
      })
      .map(
        ({ machine }): Finding => ({
          says: `systemd-networkd on ${machine.name} will remove Cilium’s rules at its next restart`,
          severity: 'warning',
          certainty: 'certain',
          about: [entityOf(machine)],
          evidence: [
            seenOn(
              machine,
              'ManageForeignRoutingPolicyRules is not off',
              'systemd-analyze cat-config systemd/networkd.conf',
            ),
          ],
          cure: [leaveAlone(machine)],
        }),
      ),
};
