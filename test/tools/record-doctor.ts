// `node dist/test/tools/record-doctor.js LAB STATE`: one look at a lab and its cluster as they are, saved as the fixture of that state.
import { spawn } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { machineFragments, readMachine } from '../../src/doctor/gather.ts';
import { apiScript, readApi } from '../../src/doctor/looks/api.ts';
import { logsScript, readLogs } from '../../src/doctor/looks/logs-of-pods.ts';
import type { MachineLook, Snapshot } from '../../src/doctor/snapshot.ts';
import { joinFragments, splitFrames } from '../../src/engine/frames.ts';
import { saveSnapshot } from '../../src/io/snapshot-folder.ts';
import { adminKubectl } from '../../src/model/kubectl.ts';
import { type Lab, type LabHost, labOpen } from '../lab/machines.ts';
import { nobodys } from './nobodys.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/doctor/lab', import.meta.url));
const endpoint = 'k8s-api.home.arpa';

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly sentMs: number;
  readonly receivedMs: number;
}

const ready = '@ready\n';

function ask(lab: Lab, host: string, script: string): Promise<Said> {
  const [file, ...args] = lab.sshArgv(host);
  return new Promise((resolve, reject) => {
    // All machines share this computer, and a state is recorded whatever else it does.
    const child = spawn(file, [...args, 'sudo', '-n', 'nice', '-n', '-15', 'sh', '-s']);
    const said = { stdout: '', stderr: '' };
    let sentMs = 0;
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text;
        // The time that a connection takes is not the clock's.
        if (sentMs > 0 || said.stdout !== ready) return;
        sentMs = Date.now();
        child.stdin.end(script);
      });
    }
    child.on('error', reject);
    child.on('close', code => resolve({ code: code ?? -1, ...said, sentMs, receivedMs: Date.now() }));
    child.stdin.on('error', () => undefined).write(`printf '${ready}'\n`);
  });
}

async function machine(lab: Lab, { name, address, role }: LabHost): Promise<MachineLook> {
  const mark = '@frame';
  const fragments = machineFragments({ peers: lab.hosts.filter(each => each.name !== name), endpoint });
  const said = await ask(lab, name, joinFragments(fragments, mark));
  console.error(`${name}: ${said.receivedMs - said.sentMs} ms, ${said.stdout.length} bytes`);
  const at = { name, address, role };
  if (said.code === 255)
    return { ...at, unreached: { kind: 'no answer', says: said.stderr.trim() }, facts: {}, missed: {} };
  return { ...at, ...readMachine(splitFrames(said, fragments, mark), said.sentMs, said.receivedMs) };
}

async function api(lab: Lab): Promise<Pick<Snapshot, 'api' | 'lists' | 'logs'>> {
  const from = lab.hosts.find(({ role }) => role === 'control-plane')?.name ?? '';
  const kubectl = adminKubectl(5);
  const said = await ask(lab, from, apiScript(kubectl));
  console.error(`API: ${said.receivedMs - said.sentMs} ms, ${said.stdout.length} bytes`);
  const read = readApi(said, from);
  const script = logsScript(kubectl, read.lists);
  return { ...read, logs: script === undefined ? [] : readLogs(await ask(lab, from, script)) };
}

const [name = '', state = ''] = process.argv.slice(2);
const lab = await labOpen(name);
if (!lab || !/^[a-z0-9-]+$/.test(state)) throw new Error('usage: record-doctor LAB STATE');
const [machines, cluster] = await Promise.all([Promise.all(lab.hosts.map(host => machine(lab, host))), api(lab)]);
const snapshot: Snapshot = {
  at: Date.now(),
  machines,
  ...cluster,
  declared: { cluster: 'homelab', version: 'v1.31.1', endpoint, hosts: lab.hosts.map(host => ({ ...host })) },
  openRuns: [],
};
const folder = path.join(fixtures, state);
await rm(folder, { recursive: true, force: true });
await saveSnapshot(folder, snapshot);
let bytes = 0;
for (const file of await readdir(folder, { recursive: true })) {
  if (!file.endsWith('.json')) continue;
  const at = path.join(folder, file);
  // Where this computer keeps its things is nobody's business.
  const clean = nobodys(await readFile(at, 'utf8')).replaceAll(lab.dir, '/lab');
  bytes += clean.length;
  await writeFile(at, clean, { mode: 0o644 });
}
for (const each of machines) console.error(each.name, each.unreached?.says ?? '', JSON.stringify(each.missed));
console.error(`${folder}: ${Math.round(bytes / 1024)} KiB`);
