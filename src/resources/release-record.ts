// Helm's own records of a release, a Secret for each revision, with what homelab wrote on them.
import { adminKubectl } from '../model/kubectl.ts';
import { sh } from '../model/shell.ts';

/** The newest revision's; empty texts where nobody labelled it. */
export type ReleaseRecord = {
  /** Helm's own word: deployed, failed, pending-install…; 'absent'; 'unknown' where the API server does not say. */
  readonly status: string;
  readonly chart: string;
  readonly values: string;
  /** The minor it was rendered for: charts ask for it. */
  readonly kubernetes: string;
};

export const noRecord: ReleaseRecord = { status: 'absent', chart: '', values: '', kubernetes: '' };

const labels = ['version', 'status', 'homelab-chart', 'homelab-values', 'homelab-kubernetes'];
const columns = labels.map((label, index) => `${index}:.metadata.labels.${label}`).join(',');

/** sh: sets $found to the newest revision's words, its number first; to nothing without one, to 'silent' where nobody says. */
export function findRecord(name: string, namespace: string): string {
  const records = `${adminKubectl(20)} get secret -n ${sh(namespace)} -l ${sh(`owner=helm,name=${name}`)} --no-headers -o custom-columns=${columns}`;
  // Helm counts revisions: the highest number is the newest.
  return `if found=$(${records} 2>/dev/null); then
  found=$(echo "$found" | sort -n | awk 'NF {last = $1 " " $2 " " $3 " " $4 " " $5} END {print last}')
else found=silent; fi
`;
}

/** Of what findRecord finds. */
export function parseRecord(found: string): ReleaseRecord {
  if (found === '') return noRecord;
  if (found === 'silent') return { ...noRecord, status: 'unknown' };
  const [revision = '', status = '', chart = '', values = '', kubernetes = ''] = found
    .split(/\s+/)
    .map(word => (word === '<none>' ? '' : word));
  if (!/^\d+$/.test(revision) || status === '') throw new Error(`unexpected record of a release: ${found}`);
  return { status, chart, values, kubernetes };
}

/** There is one, and it is known. */
export function isRecorded({ status }: ReleaseRecord): boolean {
  return status !== 'absent' && status !== 'unknown';
}

/** sh: ends unless the newest record still is this one: who else runs Helm here is not overtaken. */
export function mustStillBe(record: ReleaseRecord, name: string, namespace: string): string {
  const words = [record.status, record.chart, record.values, record.kubernetes].map(word => word || '<none>').join(' ');
  return `${findRecord(name, namespace)}[ "\${found#* }" = ${sh(isRecorded(record) ? words : '')} ] || {
  echo "homelab: the release is not as it was looked at: \${found:-absent}" >&2
  exit 1
}
`;
}
