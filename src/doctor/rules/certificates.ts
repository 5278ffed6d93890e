// Certificates of the control plane: ended, ending, renewed and not loaded.

import type { MachineFacts } from '../machine-facts.ts';
import { word } from '../reading.ts';
import type { Explains, Finding, Rule } from '../rule.ts';
import { type MachineLook, machinesWith, type Snapshot } from '../snapshot.ts';
import { clientCertificate } from './kubelet.ts';
import { clockOf, entityOf, list, on, seenOn, span, timeOn } from './on-machine.ts';

type Certificate = NonNullable<MachineFacts['certificates']>[number];

const pki = '/etc/kubernetes/pki/';
const kubelets = [
  clientCertificate,
  '/var/lib/kubelet/pki/kubelet-server-current.pem',
  '/var/lib/kubelet/pki/kubelet.crt',
  '/etc/kubernetes/kubelet.conf',
];
const ofApi = [`${pki}apiserver.crt`, `${pki}ca.crt`];
const isOfEtcd = (path: string) => path.startsWith(`${pki}etcd/`) || path === `${pki}apiserver-etcd-client.crt`;
const isCa = (path: string) => /(?:^|[-/])ca\.crt$/.test(path);

function short(path: string): string {
  return path.replace('/etc/kubernetes/', '');
}

function leftSeconds({ notAfter }: Certificate, machine: MachineLook, snapshot: Snapshot): number {
  return (Date.parse(notAfter) - timeOn(machine, snapshot)) / 1000;
}

function again({ path }: Certificate): string {
  return path.endsWith('.conf')
    ? `sudo sh -c ${word(`sed -n 's/.*client-certificate-data: //p' ${word(path)} | base64 -d | openssl x509 -noout -enddate`)}`
    : `sudo openssl x509 -noout -enddate -in ${word(path)}`;
}

function renewal(paths: readonly string[]): readonly string[] {
  return paths.some(isCa)
    ? [
        'a CA is renewed by nobody: make a new one beside it and change over (kubernetes.io, manual rotation of CA certificates)',
        'homelab backup   # first',
      ]
    : [
        'homelab certs renew   # works while the API server answers nobody',
        'homelab certs   # what is served afterwards',
      ];
}

function endedRule(
  row: Pick<Rule, 'id' | 'symptom' | 'cause' | 'explains'> & {
    readonly covers: (path: string) => boolean;
    readonly stops: string;
    readonly api: (paths: readonly string[]) => boolean;
  },
): Rule {
  const { covers, stops, api, ...rule } = row;
  return {
    ...rule,
    layer: 'control-plane',
    cure: 'Renew them, and restart what uses them: homelab certs renew does both.',
    sources: [
      'kubernetes/kubeadm#1361',
      'kubernetes/kubeadm#2054',
      'kubernetes docs: tasks/administer-cluster/kubeadm/kubeadm-certs',
    ],
    needs: ['machine.certificates', 'machine.clock'],
    find: snapshot =>
      machinesWith(snapshot, 'certificates').flatMap(({ machine, value }): readonly Finding[] => {
        const over = value
          .filter(({ path }) => !kubelets.includes(path) && covers(path))
          .filter(each => leftSeconds(each, machine, snapshot) <= 0)
          .toSorted((one, other) => Date.parse(one.notAfter) - Date.parse(other.notAfter));
        const [first] = over;
        if (!first) return [];
        const paths = over.map(({ path }) => path);
        return [
          {
            says: `${over.length > 1 ? `certificates of ${machine.name} ended` : `a certificate of ${machine.name} ended`} at ${clockOf(first.notAfter, snapshot)} (${list(paths.slice(0, 4).map(short))}${paths.length > 4 ? ' and more' : ''}): ${stops}`,
            severity: 'error',
            certainty: 'certain',
            about: [
              entityOf(machine),
              ...(snapshot.api.state === 'silent' && api(paths) ? (['object:api'] as const) : []),
            ],
            since: first.notAfter,
            evidence: over
              .slice(0, 3)
              .map(each => seenOn(machine, `${short(each.path)}: notAfter=${each.notAfter}`, again(each))),
            cure: renewal(paths),
          },
        ];
      }),
  };
}

const apiSilent: Explains = { rule: 'api-silent', by: 'object' };

export const apiCertificate = endedRule({
  id: 'apiserver-certificate-ended',
  symptom: 'kubectl says "x509: certificate has expired"; all nodes become NotReady.',
  cause: 'The certificate that the API server serves, or the cluster’s CA, has ended: kubeadm’s last a year.',
  covers: path => ofApi.includes(path),
  stops: 'nobody believes the API server any more',
  api: () => true,
  explains: [apiSilent, { rule: 'apiserver-down', by: 'machine' }, { rule: 'node-not-ready', by: 'everything' }],
});

export const etcdCertificate = endedRule({
  id: 'etcd-certificate-ended',
  symptom: 'The API server ends or says "context deadline exceeded" about etcd; etcd says "bad certificate".',
  cause: 'Certificates between etcd’s members, or between API server and etcd, have ended.',
  covers: isOfEtcd,
  stops: 'API server and etcd do not believe one another any more',
  api: () => true,
  explains: [
    apiSilent,
    { rule: 'etcd-down', by: 'machine' },
    { rule: 'etcd-member-down', by: 'machine' },
    { rule: 'apiserver-down', by: 'machine' },
  ],
});

export const otherCertificate = endedRule({
  id: 'control-plane-certificate-ended',
  symptom: 'kubectl is refused on the control plane, nothing is scheduled, logs and exec fail, or aggregated APIs do.',
  cause: 'Client certificates of administrators, scheduler, controller manager or API server have ended.',
  covers: path => !ofApi.includes(path) && !isOfEtcd(path),
  stops: 'what uses them is refused',
  api: paths => paths.includes('/etc/kubernetes/admin.conf'),
  explains: [apiSilent, { rule: 'scheduler-down', by: 'machine' }, { rule: 'controller-manager-down', by: 'machine' }],
});

const day = 86_400;

/** A month; of those that live for less than a year, as much less. Kubelets renew their own long before. */
function isEnding(certificate: Certificate, machine: MachineLook, snapshot: Snapshot): boolean {
  const left = leftSeconds(certificate, machine, snapshot);
  const life = (Date.parse(certificate.notAfter) - Date.parse(certificate.notBefore)) / 1000;
  return left > 0 && left < Math.min(30 * day, life / 12);
}

export const certificatesEnding: Rule = {
  id: 'certificates-ending',
  layer: 'control-plane',
  symptom: 'Nothing yet; when they end, the cluster stops.',
  cause:
    'Certificates of kubeadm last a year, and only an upgrade or `certs renew` makes new ones. Kubelets renew their own, unless something keeps them from it.',
  cure: 'Renew the certificates with homelab certs renew.',
  sources: ['kubernetes docs: tasks/administer-cluster/kubeadm/kubeadm-certs', 'kubernetes/kubeadm#1361'],
  needs: ['machine.certificates', 'machine.clock'],
  explains: [],
  find: snapshot =>
    machinesWith(snapshot, 'certificates').flatMap(({ machine, value }) => {
      const ending = value
        .filter(({ path }) => path !== '/etc/kubernetes/kubelet.conf')
        .filter(each => isEnding(each, machine, snapshot))
        .toSorted((one, other) => Date.parse(one.notAfter) - Date.parse(other.notAfter));
      const groups = [
        {
          files: ending.filter(({ path }) => !kubelets.includes(path) && !isCa(path)),
          who: 'kubeadm does not renew them by itself',
          cure: ['homelab certs renew'],
        },
        { files: ending.filter(({ path }) => isCa(path)), who: 'nobody renews a CA', cure: renewal(['ca.crt']) },
        {
          files: ending.filter(({ path }) => kubelets.includes(path)),
          who: 'its kubelet should have renewed them long ago',
          cure: [on(machine, 'sudo journalctl -u kubelet -g certificate -n 20'), 'kubectl get csr'],
        },
      ];
      return groups.flatMap(({ files, who, cure }): readonly Finding[] => {
        const [first] = files;
        if (!first) return [];
        return [
          {
            says: `${files.length > 1 ? `${files.length} certificates` : 'a certificate'} of ${machine.name} ${files.length > 1 ? 'end' : 'ends'} in ${span(leftSeconds(first, machine, snapshot))} (${list(files.slice(0, 3).map(({ path }) => short(path)))}${files.length > 3 ? ' and more' : ''}); ${who}`,
            severity: 'warning',
            certainty: 'certain',
            about: [entityOf(machine)],
            evidence: files
              .slice(0, 3)
              .map(each => seenOn(machine, `${short(each.path)}: notAfter=${each.notAfter}`, again(each))),
            cure,
          },
        ];
      });
    }),
};

export const certificateNotLoaded: Rule = {
  id: 'certificate-not-loaded',
  layer: 'control-plane',
  symptom: 'kubectl says that the certificate has expired, and the file on the control plane is a new one.',
  cause: 'It was renewed and the API server was not restarted: it serves the one that it began with.',
  cure: 'Restart the static pods.',
  sources: ['kubernetes docs: tasks/administer-cluster/kubeadm/kubeadm-certs, restart after renewal'],
  needs: ['machine.certificates', 'machine.clock'],
  explains: [apiSilent],
  find(snapshot) {
    if (snapshot.api.state !== 'silent' || !/certificate has expired/.test(snapshot.api.says)) return [];
    const files = machinesWith(snapshot, 'certificates').flatMap(({ machine, value }) =>
      value
        .filter(({ path }) => path === `${pki}apiserver.crt` || path === '/etc/kubernetes/admin.conf')
        .map(file => ({ machine, file })),
    );
    const [first] = files;
    if (!first || files.some(({ machine, file }) => leftSeconds(file, machine, snapshot) <= 0)) return [];
    return [
      {
        says: `the API server serves a certificate that has ended, and the file on ${first.machine.name} is a newer one: it was renewed and not loaded`,
        severity: 'error',
        certainty: 'likely',
        settledBy: 'homelab certs   # compares files with what is served',
        about: ['object:api', entityOf(first.machine)],
        evidence: [
          { says: snapshot.api.says, from: snapshot.api.from, again: 'kubectl get --raw /readyz' },
          seenOn(first.machine, `${short(first.file.path)}: notAfter=${first.file.notAfter}`, again(first.file)),
        ],
        cure: ['homelab certs renew   # restarts what uses them, and proves what is served'],
      },
    ];
  },
};

export const certificateRules: readonly Rule[] = [
  etcdCertificate,
  apiCertificate,
  otherCertificate,
  certificateNotLoaded,
  certificatesEnding,
];
