// Every fixture is wrong in its own way; its golden is what a person reads.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderIssue } from '../../src/inventory/issue.ts';
import { fixturesDir, parse } from './helpers.ts';

const names = readdirSync(fixturesDir)
  .filter(name => name.endsWith('.yaml'))
  .map(name => name.slice(0, -'.yaml'.length));

describe('wrong inventories', () => {
  test('are at least forty', () => {
    expect(names.length).toBeGreaterThanOrEqual(40);
  });

  test.each(names)('%s: every problem has a place and says what was expected', async name => {
    const parsed = parse(readFileSync(join(fixturesDir, `${name}.yaml`)), { file: `${name}.yaml` });
    const lines = parsed.ok ? ['valid'] : parsed.issues.map(renderIssue);
    expect(parsed.ok).toBe(false);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`../golden/inventories/${name}.txt`);
  });

  const secrets = names.filter(
    name => name.startsWith('literal-password') || ['bad-repository', 'bad-registries'].includes(name),
  );
  test.each(secrets)('%s: the password is not repeated', name => {
    const parsed = parse(readFileSync(join(fixturesDir, `${name}.yaml`)));
    expect(JSON.stringify(parsed)).not.toMatch(/hunter2|2468013579/);
  });
});
