// Control planes and the four processes that kubeadm puts on them.
import type { MachineFacts } from '../machine-facts.ts';
import type { Entity } from '../rule.ts';
import type { MachineLook, Snapshot } from '../snapshot.ts';
import { isControlPlane, isRunning, nodeNamed, settledFor, timeOn } from './on-machine.ts';

export type Component = 'kube-apiserver' | 'etcd' | 'kube-controller-manager' | 'kube-scheduler';
export type Container = NonNullable<MachineFacts['controlPlane']>[number];

/** What `health` calls it. */
export const healthName = {
  'kube-apiserver': 'apiserver',
  etcd: 'etcd',
  'kube-controller-manager': 'controller-manager',
  'kube-scheduler': 'scheduler',
} as const;

export const titles = {
  'kube-apiserver': 'the API server',
  etcd: 'etcd',
  'kube-controller-manager': 'the controller manager',
  'kube-scheduler': 'the scheduler',
} as const;

/** So that a cause of one process is not taken for that of its neighbour. */
export function processOn(component: Component, { name }: Pick<MachineLook, 'name'>): Entity {
  return `object:${component}@${name}`;
}

export function controlPlanes(snapshot: Snapshot): readonly MachineLook[] {
  return snapshot.machines.filter(machine => isControlPlane(machine, snapshot));
}

/** Joined, as far as it can be told: a bare machine of that role runs nothing yet. Reads `certificates` and the list `nodes`. */
export function isMemberOf(snapshot: Snapshot, machine: MachineLook): boolean {
  return (
    nodeNamed(snapshot, machine.name) !== undefined ||
    machine.facts.certificates?.some(({ path }) => path === '/etc/kubernetes/pki/apiserver.crt') === true
  );
}

/** etcd belongs to it, and not to machines outside of the cluster. Reads `certificates` and `health`. */
export function hasEtcd({ facts }: MachineLook): boolean {
  return (
    facts.health?.['etcd'] !== undefined ||
    facts.certificates?.some(({ path }) => path === '/etc/kubernetes/pki/etcd/server.crt') === true
  );
}

/** It booted, or its kubelet began, so lately that what it starts need not be there yet. Reads `identity`, `units` and `clock`. */
export function isStarting(machine: MachineLook, snapshot: Snapshot): boolean {
  const { identity, units } = machine.facts;
  const kubelet = units?.['kubelet'];
  const up = identity ? (timeOn(machine, snapshot) - Date.parse(identity.bootedAt)) / 1000 : Number.NaN;
  return up < 120 || (kubelet !== undefined && isRunning(kubelet) && settledFor(kubelet, machine, snapshot) < 60);
}

export function containerOf({ facts }: MachineLook, component: Component): Container | undefined {
  return facts.controlPlane?.find(({ name }) => name === component);
}

/** The line that says most: a fatal one, an error, or the last. */
export function lastWords(container: Container | undefined): string | undefined {
  const lines = container?.lastLines.filter(line => line.trim() !== '') ?? [];
  return (
    lines.findLast(line => /"level":"(?:fatal|panic)"|panic:|^F\d{4}|\bfatal\b/i.test(line)) ??
    lines.findLast(line => /"level":"error"|^E\d{4}|\berr(?:or)?\b/i.test(line)) ??
    lines.at(-1)
  );
}

/** 'its container exited with 1', or what else its state says; empty where that is not known. */
export function endOf(container: Container | undefined): string {
  if (!container) return '';
  return container.state === 'exited'
    ? `its container ended with exit code ${container.exitCode}`
    : `its container is ${container.state}`;
}

export const logOf = (component: Component) =>
  `sudo sh -c 'tail -n 20 /var/log/pods/kube-system_${component}-*/*/*.log'`;

export const manifestFolder = '/etc/kubernetes/manifests';

/** What is wrong there is why the API is silent, if it is. */
export const apiEntity = (snapshot: Snapshot) => (snapshot.api.state === 'silent' ? (['object:api'] as const) : []);
