// What homelab does under the eyes of strace: bootstrap, backup, kubeconfig, certificates, reset, restore; each with all that it says and keeps.
import path from 'node:path';
import type { Lab } from '../lab/machines.ts';
import { type HomelabRun, startHomelab } from '../lab/run-homelab.ts';
import { homeOf, inside } from '../lab/test-lab.ts';
import { made, plantSecret } from './canary-cluster.ts';
import type { Canary } from './canary-search.ts';

export interface Ran {
  readonly runs: Readonly<Record<string, HomelabRun>>;
  readonly canaries: readonly Canary[];
  /** Everything ended well, and nothing is left to be done. */
  readonly ok: boolean;
}

export async function runAll(lab: Lab, inventory: string, evidence: string): Promise<Ran> {
  const runs: Record<string, HomelabRun> = {};
  const run = async (what: string, ...args: readonly string[]): Promise<HomelabRun> => {
    const always = ['--bundle', lab.bundle ?? '', '-i', inventory];
    const record = ['--record', path.join(evidence, String(Object.keys(runs).length))];
    const found = await (await startHomelab(homeOf(lab), [...args, ...always, ...record])).ended;
    console.log(`${what}: exit ${found.code}`);
    if (found.code !== 0) console.log(found.stderr.slice(-3_000), found.stdout.slice(-3_000));
    runs[what] = found;
    return found;
  };
  const plain = ['--output', 'plain'];
  // Under strace a machine may seem away for too long; the same command again goes on.
  const persist = async (...args: readonly string[]): Promise<HomelabRun> => {
    const what = `${args.filter(word => /^[a-z]+$/.test(word)).join(' ')} (plain)`;
    const first = await run(what, ...args, ...plain);
    const second = first.code === 0 ? first : await run(`${what}, again`, ...args, ...plain);
    return second.code === 0 ? second : run(`${what}, a third time`, ...args, ...plain);
  };

  const goods = [
    await run('bootstrap --until control-plane (json)', 'bootstrap', '--yes', '--until', 'control-plane'),
    await persist('bootstrap', '--yes'),
  ];
  const secret = await plantSecret(lab);
  const backup = await persist('backup');
  await inside(lab, 'k8s-cp', 'systemctl start homelab-backup.service');
  goods.push(backup, await run('backup --fetch (json)', 'backup', '--fetch'));
  goods.push(await persist('kubeconfig', '--merge'), await persist('certs'));
  const first = await made(lab, 'at init');
  // What was made within a day is not renewed.
  const old = 'pki/apiserver.crt pki/etcd/server.crt admin.conf';
  await inside(lab, 'k8s-cp', `cd /etc/kubernetes; touch -d '2 days ago' ${old}`);
  goods.push(await persist('certs', 'renew', '--yes'), await run('verify (json)', 'verify'));
  const renewed = await made(lab, 'renewed');
  if (unlike([...first, ...renewed]).length !== first.length + old.split(' ').length)
    throw new Error('certs renew made other keys than it was to make');
  goods.push(await persist('reset', lab.name, '--yes'), await persist('restore', backup.stdout.trim(), '--yes'));
  const restored = await made(lab, 'restored');
  goods.push(await run('plan (plain)', 'plan', '--detailed-exitcode', ...plain));
  return {
    runs,
    canaries: [secret, ...unlike([...first, ...renewed, ...restored])],
    ok: goods.every(({ code }) => code === 0),
  };
}

/** What stayed the same is looked for once. */
function unlike(canaries: readonly Canary[]): readonly Canary[] {
  return canaries.filter(({ value }, index) => canaries.findIndex(each => each.value === value) === index);
}
