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
