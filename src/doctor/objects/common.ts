// Pieces of API objects. What a schema does not name is not kept: no Secret, no environment, no annotation of others gets in.
import { z } from 'zod';

/** Lists that Go writes as null when they are empty. */
export const many = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform(items => items ?? []);
export const text = z
  .string()
  .nullish()
  .transform(value => value ?? '');
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/;
/** Of an object: no API server takes another one. Not every list came from an API server, and names stand in commands as they are. */
export const name = z.string().regex(nameShape);
export const isName = (value: string): boolean => nameShape.test(value);
/** The name of something else, or an address. What is neither names nothing. */
export const reference = text.transform(value => (isName(value) ? value : ''));
export const flag = z
  .boolean()
  .nullish()
  .transform(value => value ?? false);
export const number = z
  .number()
  .nullish()
  .transform(value => value ?? 0);
export const strings = z
  .record(z.string(), z.string())
  .nullish()
  .transform(all => all ?? {});
/** Of resources: '100m', '64Mi', or a bare number. */
export const quantities = z
  .record(z.string(), z.union([z.string(), z.number()]))
  .nullish()
  .transform(all => Object.fromEntries(Object.entries(all ?? {}).map(([name, value]) => [name, String(value)])));

/** Annotations that a rule reads; no others are kept: people put anything there. */
const keptAnnotations =
  /^(homelab\/|storageclass\.(beta\.)?kubernetes\.io\/|volume\.(beta\.)?kubernetes\.io\/|pv\.kubernetes\.io\/|sidecar\.istio\.io\/(inject|status$)|traffic\.sidecar\.istio\.io\/|node\.alpha\.kubernetes\.io\/|kubeadm\.alpha\.kubernetes\.io\/|kubernetes\.io\/config\.(source|hash)$|endpoints\.kubernetes\.io\/)/;

export const metadata = z.object({
  name,
  namespace: z
    .union([name, z.literal('')])
    .nullish()
    .transform(value => value ?? ''),
  uid: text,
  creationTimestamp: text,
  deletionTimestamp: text,
  finalizers: many(z.string()),
  labels: strings,
  annotations: strings.transform(all =>
    Object.fromEntries(Object.entries(all).filter(([name]) => keptAnnotations.test(name))),
  ),
  ownerReferences: many(z.object({ kind: name, name, controller: flag })),
  /** Who wrote it and when; what they wrote is not kept. */
  managedFields: many(z.object({ manager: text, time: text })),
});

export const conditions = many(
  z.object({ type: z.string(), status: z.string(), reason: text, message: text, lastTransitionTime: text }),
);
export const requirements = many(z.object({ key: z.string(), operator: z.string(), values: many(z.string()) }));
export const selector = z.object({ matchLabels: strings, matchExpressions: requirements }).nullish();

/** namespace/name, or the name of what has no namespace. */
export function nameOf({
  metadata: { namespace, name },
}: {
  readonly metadata: { readonly namespace: string; readonly name: string };
}): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
