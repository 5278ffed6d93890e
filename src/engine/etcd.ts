// What etcd says of itself, asked with its own etcdctl on a control plane: API server and kubelet may be down.
import { z } from 'zod';
import { etcdctl } from '../model/etcdctl.ts';
import type { EtcdMember } from '../model/world.ts';
import type { Fragment, Frame } from './frames.ts';

export const etcdFragment: Fragment = {
  id: 'etcd',
  script: `[ -e /etc/kubernetes/manifests/etcd.yaml ] && pgrep -ox etcd >/dev/null || { echo none; exit 0; }
${etcdctl}
etcdctl member list || { echo silent; exit 0; }
echo health
etcdctl endpoint health --cluster -w json 2>/dev/null || true`,
};

const health = z.array(z.object({ endpoint: z.string(), health: z.boolean() }));

/** 'unknown' when etcd does not run there or does not answer. */
export function parseEtcd(frame: Frame | undefined): readonly EtcdMember[] | 'unknown' {
  const [members = '', said] = frame?.stdout.split(/^health\n/m) ?? [];
  if (frame?.code !== 0 || said === undefined) return 'unknown';
  const healthy = new Set(
    health
      .parse(said.trim() === '' ? [] : JSON.parse(said))
      .filter(each => each.health)
      .map(({ endpoint }) => endpoint),
  );
  // 8e9e05c52164694d, started, k8s-cp, https://192.168.0.10:2380, https://192.168.0.10:2379, false
  return members
    .split('\n')
    .filter(Boolean)
    .map(line => {
      const [id = '', , name = '', peerUrl = '', clientUrl = '', learner = ''] = line.split(', ');
      const address = URL.canParse(peerUrl) ? new URL(peerUrl).hostname : '';
      return { id, name, address, healthy: healthy.has(clientUrl), learner: learner === 'true' };
    });
}
