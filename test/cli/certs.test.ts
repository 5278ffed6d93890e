// `homelab certs` before it reaches a machine.
import { describe, expect, it } from 'vitest';
import { inventoryPath } from '../sample.ts';
import { runCli } from './run-cli.ts';

describe('homelab certs', () => {
  it.each([
    [['renew'], 'nobody is there to answer', 'homelab certs renew --yes'],
    [['--rehearse'], '--rehearse reaches none', 'leave it out'],
    [['renew', '--yes', '--rehearse'], '--rehearse reaches none', 'leave it out'],
    [['renew', '--within', 'soon'], '--within', 'from 1 to 1000'],
    [['remove'], 'list, renew', ''],
  ])('exits 2 at %j and says what to type', async (argv, message, hint) => {
    const { code, stderr } = await runCli(['certs', ...argv, '-i', inventoryPath]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
  });
});
