// What rules about installed products share: pods that fail, what they wrote last, and whom a selector means.
import type { ObjectOf } from '../objects/kinds.ts';
import { word } from '../reading.ts';
import type { Entity, Evidence } from '../rule.ts';
import { objects, type Snapshot } from '../snapshot.ts';

export type Pod = ObjectOf<'pods'>;
export type Service = ObjectOf<'services'>;
type Selector =
  | {
      readonly matchLabels: Readonly<Record<string, string>>;
      readonly matchExpressions: readonly {
        readonly key: string;
        readonly operator: string;
        readonly values: readonly string[];
      }[];
    }
  | null
  | undefined;
type Labels = Readonly<Record<string, string>>;

export function hasLabels(wanted: Labels, labels: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

/** An empty selector, like none, means everybody. */
export function selects(selector: Selector, labels: Labels): boolean {
  if (!selector) return true;
  return (
    hasLabels(selector.matchLabels, labels) &&
    selector.matchExpressions.every(({ key, operator, values }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      const isIn = value !== undefined && values.includes(value);
      return operator === 'NotIn' ? !isIn : isIn;
    })
  );
}

export function podName({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}

export function podEntity(pod: Pod): Entity {
  return `pod:${podName(pod)}`;
}

/** Not on its way out, and not done. */
export function isAlive({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === '' && status.phase !== 'Succeeded' && status.phase !== 'Failed';
}

export function allContainers({ spec }: Pod) {
  return [...spec.containers, ...spec.initContainers];
}

export function containerStates({ status }: Pod) {
  return [...status.initContainerStatuses, ...status.containerStatuses];
}

/** A container of it waits to be started again, or ended badly and was not yet. */
export function crashes(pod: Pod): boolean {
  return (
    isAlive(pod) &&
    containerStates(pod).some(
      ({ state }) =>
        /^(CrashLoopBackOff|RunContainerError|CreateContainerError)$/.test(state.waiting?.reason ?? '') ||
        (state.terminated !== undefined && state.terminated.exitCode !== 0),
    )
  );
}

/** Runs, and has not been ready for longer than these seconds. */
function staysUnready(snapshot: Snapshot, pod: Pod, seconds = 60): boolean {
  const ready = pod.status.conditions.find(({ type }) => type === 'Ready');
  // Of a node that fell silent the pods are marked, and their containers are not.
  if (!isAlive(pod) || ready?.status !== 'False' || pod.status.containerStatuses.every(each => each.ready))
    return false;
  return (snapshot.at - Date.parse(ready.lastTransitionTime)) / 1000 > seconds;
}

export function fails(snapshot: Snapshot, pod: Pod): boolean {
  return crashes(pod) || staysUnready(snapshot, pod);
}

export function linesOf(snapshot: Snapshot, pod: Pod): readonly string[] {
  return snapshot.logs.filter(log => log.pod === podName(pod)).flatMap(({ lines }) => lines);
}

/** The first line that says so, with the container that wrote it. */
export function said(
  snapshot: Snapshot,
  pod: Pod,
  pattern: RegExp,
): { readonly line: string; readonly container: string } | undefined {
  for (const { pod: name, container, lines } of snapshot.logs) {
    if (name !== podName(pod)) continue;
    const line = lines.find(each => pattern.test(each));
    if (line !== undefined) return { line, container };
  }
  return undefined;
}

/** What a container wrote before it ended, as evidence. */
export function logEvidence(
  pod: Pod,
  { line, container }: { readonly line: string; readonly container: string },
): Evidence {
  const { namespace, name } = pod.metadata;
  const logs = `kubectl logs -n ${word(namespace)} ${word(name)} -c ${word(container)}`;
  return {
    says: line.length > 300 ? `${line.slice(0, 300)}…` : line,
    from: `log of ${container} in ${podName(pod)}`,
    again: `${logs} --previous --tail 50 || ${logs} --tail 50`,
  };
}

/** Its name, or an image of it, says what it is. */
export function runs(pod: Pod, image: RegExp): boolean {
  return pod.spec.containers.some(container => image.test(container.image));
}

export function podsOf(snapshot: Snapshot, service: Service): readonly Pod[] {
  const { selector } = service.spec;
  if (Object.keys(selector).length === 0) return [];
  return objects(snapshot, 'pods').filter(
    pod =>
      pod.metadata.namespace === service.metadata.namespace && isAlive(pod) && hasLabels(selector, pod.metadata.labels),
  );
}

/** Of a set of names: 'a', 'a and b', 'a, b and 3 more'. */
export function listed(names: readonly string[]): string {
  const [first = '', second, ...rest] = names;
  if (second === undefined) return first;
  return rest.length === 0 ? `${first} and ${second}` : `${first}, ${second} and ${rest.length} more`;
}

export function machineEntity(name: string): readonly Entity[] {
  return name === '' ? [] : [`machine:${name}`];
}

/** Cilium's settings, where it is installed. */
export function ciliumConfig(snapshot: Snapshot): Readonly<Record<string, string>> | undefined {
  return objects(snapshot, 'configmaps').find(
    ({ metadata }) => metadata.namespace === 'kube-system' && metadata.name === 'cilium-config',
  )?.data;
}

export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}
