// How the workloads are before an upgrade, kept in the cluster until it is over: a run that goes on compares with the same.
import { backupFolder } from '../model/backup.ts';
import { etcdctl } from '../model/etcdctl.ts';
import { adminKubectl } from '../model/kubectl.ts';
import type { Transition } from '../model/plan.ts';
import { sh } from '../model/shell.ts';
import type { World } from '../model/world.ts';

/** ConfigMap in kube-system: `to` is the version that the upgrade goes to, `workloads` has a line for each. */
export const upgradeNote = 'homelab-upgrade';

const kubectl = adminKubectl(20);
// A Deployment's readyReplicas and a DaemonSet's numberReady: each kind has one of them; none is 0.
const workloads = `${kubectl} get deployments,statefulsets,daemonsets -A -o ${sh(
  `jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name} {.spec.replicas}{.status.desiredNumberScheduled} 0{.status.readyReplicas}{.status.numberReady}{"\\n"}{end}`,
)}`;

/** no note → a note of how it is now. One of an upgrade to another version is old. */
export function takeBaseline(world: World, to: string): Transition {
  const isThere = world.upgrading === to;
  return {
    kind: 'transition',
    name: 'baseline',
    title: 'Note how the workloads are',
    now: isThere ? 'noted' : 'none',
    to: 'noted',
    change: isThere
      ? undefined
      : {
          why: 'every machine is given back with the workloads as well as they are now',
          risk: 'safe',
          action: {
            script: `found=$(${workloads})
${kubectl} create configmap ${upgradeNote} -n kube-system --from-literal=${sh(`to=${to}`)} --from-literal="workloads=$found" --dry-run=client -o yaml | ${kubectl} apply -f - >/dev/null
`,
            timeoutMs: 90_000,
            explain: [
              {
                pattern: /database space exceeded|NOSPACE/,
                message: 'etcd has no space left: it answers and keeps nothing new',
                hint: 'compact and defragment it (etcd.io/docs/v3.5/op-guide/maintenance, "Space quota"), then run the same command again',
              },
            ],
          },
        },
    predict: before => ({ ...before, upgrading: to }),
  };
}

/**
 * nothing kept → etcd's data and kubeadm's folder, on the control plane itself, for root alone. Where the inventory says for whom backups
 * are encrypted, a whole one is made and brought away instead.
 */
export function keepBefore(world: World, to: string): Transition {
  const isThere = world.upgrading === to;
  const folder = `${backupFolder}/before-${to}`;
  return {
    kind: 'transition',
    name: 'backup',
    title: `Keep etcd and /etc/kubernetes in ${folder}`,
    now: isThere ? 'kept' : 'none',
    to: 'kept',
    change: isThere
      ? undefined
      : {
          why: 'the inventory says nothing of backups, and there is no way back to an older version without one',
          risk: 'safe',
          action: {
            script: `[ -e /etc/kubernetes/manifests/etcd.yaml ] || { echo 'homelab: etcd does not run here: it is yours to back up' >&2; exit 0; }
umask 077
rm -rf ${folder}.new
install -d -m 700 ${backupFolder} ${folder}.new
${etcdctl}
etcdctl snapshot save /var/lib/etcd/homelab-upgrade.db --command-timeout=600s >/dev/null
mv "/proc/$(pgrep -ox etcd)/root/var/lib/etcd/homelab-upgrade.db" ${folder}.new/etcd.db
cp -a /etc/kubernetes ${folder}.new/
rm -rf ${folder}
mv ${folder}.new ${folder}
`,
            timeoutMs: 900_000,
          },
        },
    predict: before => before,
  };
}

/** a note → none: the upgrade is over. */
export function dropBaseline(world: World): Transition {
  return {
    kind: 'transition',
    name: 'finish',
    title: 'Take the note away',
    now: world.upgrading === undefined ? 'none' : 'noted',
    to: 'none',
    change:
      world.upgrading === undefined
        ? undefined
        : {
            why: 'the upgrade is over',
            risk: 'safe',
            action: {
              script: `${kubectl} delete configmap ${upgradeNote} -n kube-system --ignore-not-found >/dev/null\n`,
              timeoutMs: 60_000,
            },
          },
    predict: before => ({ ...before, upgrading: undefined }),
  };
}

/**
 * sh: prints 'as before', or the workloads that are less well than the note says: fewer ready ones than before, where as many are still
 * wanted. What is gone or scaled down since is its owner's wish.
 */
export const asBefore = `{
  ${kubectl} get configmap ${upgradeNote} -n kube-system --ignore-not-found -o jsonpath='{.data.workloads}' | sed 's/^/before /'
  echo
  ${workloads} | sed 's/^/now /'
} | awk '
  $1 == "before" {ready[$2] = $4 + 0; known[$2] = 1}
  $1 == "now" {
    seen = 1
    wanted = $3 + 0; if (($2 in known) && ready[$2] < wanted) wanted = ready[$2]
    if (($2 in known) && $4 + 0 < wanted) {print $2 " has " ($4 + 0) " of " wanted; bad = 1}
  }
  END {if (!seen) print "no answer"; else if (!bad) print "as before"}' | paste -sd';'`;
