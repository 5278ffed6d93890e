// The report where people open it. Chromium is a large package: CI goes without, and says so.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseJournal } from '../../src/report/journal.ts';
import { renderReport } from '../../src/report/page.ts';
import { runOf } from '../../src/report/run.ts';
import { bigRun, journalOf } from './big-run.ts';
import { chromium, openPage, type Page } from './browser.ts';

const name = 'the report in a browser';

describe.skipIf(chromium === undefined)(chromium === undefined ? `${name}: needs chromium` : name, () => {
  const folder = mkdtempSync(join(tmpdir(), 'homelab-report-'));
  const file = join(folder, 'report.html');
  let page: Page;

  beforeAll(async () => {
    const run = runOf(parseJournal(journalOf(bigRun({ machines: 30, failing: ['k8s-worker7'] })), text => text));
    if (run === undefined || chromium === undefined) throw new Error('there is a run, and a browser');
    writeFileSync(file, renderReport({ run, earlier: undefined }));
    page = await openPage(chromium, file);
  }, 60_000);

  afterAll(async () => {
    await page?.close();
    rmSync(folder, { recursive: true });
  });

  it('asks for no other file', () => {
    expect(page.requests).toEqual([`file://${file}`]);
  });

  it('goes from step to step by keys, and says which one it is at', async () => {
    const says = () => page.evaluate('document.getElementById("step").textContent');
    // The filter stands before the timeline, so Tab leads from there to the first step.
    await page.evaluate('document.getElementById("filter").focus()');
    await page.press('Tab');
    expect(await says()).toMatch(/^k8s-cp: Install conntrack/);
    await page.press('ArrowRight');
    expect(await says()).toMatch(/^k8s-cp: Load overlay/);
    await page.press('ArrowDown');
    expect(await says()).toMatch(/^k8s-worker1: /);
    await page.press('ArrowLeft');
    await page.press('ArrowUp');
    expect(await says()).toMatch(/^k8s-cp: /);
  });

  it('shows the machines that were typed, and all of them on paper', async () => {
    const shown = () =>
      page.evaluate('[...document.querySelectorAll(".timeline tbody tr")].filter(row => row.offsetHeight > 0).length');
    await page.evaluate('filter.value = "WORKER7"; filter.dispatchEvent(new Event("input"))');
    expect(await shown()).toBe(1);
    await page.send('Emulation.setEmulatedMedia', { media: 'print' });
    expect(await shown()).toBe(30);
    await page.send('Emulation.setEmulatedMedia', { media: 'screen' });
    await page.evaluate('filter.value = ""; filter.dispatchEvent(new Event("input"))');
    expect(await shown()).toBe(30);
  });

  it('opens everything for the printer, and closes it again', async () => {
    const open = () => page.evaluate('document.querySelectorAll("details[open]").length');
    const before = await open();
    await page.evaluate(
      'addEventListener("beforeprint", () => { window.closedInPrint = document.querySelectorAll("details:not([open])").length })',
    );
    await page.send('Page.printToPDF');
    expect(await page.evaluate('window.closedInPrint')).toBe(0);
    expect(await open()).toBe(before);
  });

  it.each(['light', 'dark'])('has text that can be read, %s', async scheme => {
    await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    const contrasts = await page.evaluate(`(() => {
      const light = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(Number).map(value => value / 255)
          .map(value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const paper = light(getComputedStyle(document.body).backgroundColor);
      return [...document.querySelectorAll('h1,p,code,small,dt,.ok,.bad,.open,.aside,summary,th')].map(each => {
        const ink = light(getComputedStyle(each).color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      });
    })()`);
    // WCAG 2 AA.
    expect(Math.min(...(contrasts as readonly number[]))).toBeGreaterThan(4.5);
  });

  it('says nothing on its console', () => {
    expect(page.complaints).toEqual([]);
  });
});
