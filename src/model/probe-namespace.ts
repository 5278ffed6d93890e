// Namespaces of probes: made for one proof and removed after it; when the proof was killed, by a timer that the control plane has.
import { adminKubectl } from './kubectl.ts';
import type { ProbeContext } from './plan.ts';
import { command } from './shell.ts';

const kubectl = adminKubectl(100);

/** Makes the namespaces, works in them, and removes them with all that is in them whatever happens. */
export async function withNamespaces<T>(
  context: ProbeContext,
  host: string,
  namespaces: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    await ask(context, host, namespaces.map(makeScript).join(''), 240_000, 'the probe has no namespace');
    return await work();
  } finally {
    await context.exec(host, namespaces.map(removeScript).join(''), 240_000);
  }
}

/** What a script of a probe says; throws with its own words when it fails. */
export async function ask(
  context: ProbeContext,
  host: string,
  script: string,
  timeoutMs: number,
  failure: string,
): Promise<string> {
  const result = await context.exec(host, script, timeoutMs);
  if (result.code !== 0) throw new Error(`${failure}: ${wordsOf(result)}`);
  return result.stdout;
}

/** The end of what a failed script said, on one line. */
export function wordsOf(result: { readonly code: number; readonly stdout: string; readonly stderr: string }): string {
  const said = result.stderr.trim() || result.stdout.trim() || `exit ${result.code}`;
  return said.split('\n').slice(-8).join(' · ');
}

/** Prints the names of the volumes that are claimed in this namespace, or were. */
export function volumesOf(namespace: string): string {
  return `${kubectl} get persistentvolumes -o jsonpath='{range .items[?(@.spec.claimRef.namespace=="${namespace}")]}{.metadata.name}{"\\n"}{end}'`;
}

/** What is left of a proof that was killed goes first. The timer outlives the connection, and every proof's deadline. */
function makeScript(namespace: string): string {
  const later = command('/bin/sh', '-c', deleteNamespace(namespace, '--wait=false'));
  return `${stopTimer(namespace)}systemd-run --quiet --collect --unit=${timer(namespace)} --on-active=15min ${later}
${deleteNamespace(namespace)}${kubectl} create namespace ${namespace} >/dev/null
left=30
until ${kubectl} get serviceaccount -n ${namespace} default >/dev/null 2>&1 || [ "$left" -le 0 ]; do left=$((left - 1)); sleep 1; done
`;
}

// Where the namespace does not go, the timer stays.
function removeScript(namespace: string): string {
  return `${deleteNamespace(namespace)}${stopTimer(namespace)}`;
}

// Volumes that their class keeps are let go of, so that its own provisioner takes them away. No variables: systemd reads this too.
function deleteNamespace(namespace: string, wait = '--wait --timeout=90s'): string {
  return `${volumesOf(namespace)} | xargs -r -n 1 ${kubectl} patch persistentvolume -p '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}' >/dev/null || true
${kubectl} delete namespace ${namespace} --ignore-not-found ${wait} >/dev/null
`;
}

function stopTimer(namespace: string): string {
  const unit = timer(namespace);
  return `systemctl stop ${unit}.timer ${unit}.service 2>/dev/null || true\n`;
}

function timer(namespace: string): string {
  return `${namespace}-removal`;
}
