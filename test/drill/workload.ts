// What the clusters run that drills upgrade.
const labels = { app: 'shop' };
export const workload = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'shop' },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [{ name: 'shop', image: 'registry.k8s.io/pause:3.10', imagePullPolicy: 'IfNotPresent' }],
            terminationGracePeriodSeconds: 1,
          },
        },
      },
    },
  ],
};
