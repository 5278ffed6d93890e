import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { imagesIn } from '../../src/bundle/chart-images.ts';
import { parseImageRef } from '../../src/bundle/image-ref.ts';
import { root } from '../sample.ts';

const rendered = (name: string) => readFileSync(join(root, `test/fixtures/charts/rendered/${name}.yaml`), 'utf8');

it('every container of every workload counts once, digests and all', () => {
  expect(imagesIn(rendered('cilium-1.16.1'))).toEqual([
    'quay.io/cilium/cilium-envoy:v1.29.7-39a2a56bbd5b3a591f69dbca51d3e30ef97e0e51@sha256:bd5ff8c66716080028f414ec1cb4f7dc66f40d2fb5a009fff187f4a9b90b566b',
    'quay.io/cilium/cilium:v1.16.1',
    'quay.io/cilium/operator-generic:v1.16.1',
  ]);
});

it('the pod in a ConfigMap counts, whose image is named nowhere else', () => {
  const manifest = rendered('local-path-provisioner-0.0.30');
  expect(imagesIn(manifest)).toEqual(['busybox:latest', 'rancher/local-path-provisioner:v0.0.30']);
  expect(imagesIn(manifest.replace('--helper-image', '--else'))).toContain('busybox:latest');
});

it('kinds that have a field of that name want none', () => {
  expect(imagesIn(rendered('prometheus-operator-crds-31.0.1'))).toEqual([]);
});

// As longhorn/longhorn chart/templates has them: daemonset-sa.yaml, deployment-driver.yaml, preupgrade-job.yaml.
const longhorn = `
kind: DaemonSet
spec:
  template:
    spec:
      containers:
      - image: longhornio/longhorn-manager:v1.12.1
        command: [longhorn-manager, -d, daemon, --engine-image, "longhornio/longhorn-engine:v1.12.1", --instance-manager-image=longhornio/im:v1, --service-account, longhorn]
---
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{image: "longhornio/longhorn-manager:v1.12.1"}]
      containers:
      - image: longhornio/longhorn-manager:v1.12.1
        env:
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: CSI_ATTACHER_IMAGE, value: "longhornio/csi-attacher:v4"}
        - {name: WITHOUT_IMAGE, value: "true"}
        - {name: IMAGES, value: "a/b:1"}
---
# a hook, and a document that is empty
kind: CronJob
metadata: {annotations: {helm.sh/hook: pre-upgrade}}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: "hook:1"}, {image: ""}, {name: none}]}}}}}
---
`;

it('what programs are told to make pods of counts: after --…-image, and in …_IMAGE', () => {
  expect(imagesIn(longhorn)).toEqual([
    'hook:1',
    'longhornio/csi-attacher:v4',
    'longhornio/im:v1',
    'longhornio/longhorn-engine:v1.12.1',
    'longhornio/longhorn-manager:v1.12.1',
  ]);
});

it('a mapping that says a thing twice is taken as Kubernetes takes it', () => {
  expect(imagesIn('containers: [{image: "a:1"}]\ncontainers: [{image: "b:1"}]')).toEqual(['b:1']);
});

it('an image with tag and digest has the name that containerd looks it up by', () => {
  const digest = `sha256:${'1'.repeat(64)}`;
  expect(parseImageRef(`quay.io/cilium/cilium:v1.16.1@${digest}`)).toEqual({
    name: `quay.io/cilium/cilium@${digest}`,
    registry: 'quay.io',
    repository: 'cilium/cilium',
    reference: digest,
    version: 'v1.16.1',
  });
});
