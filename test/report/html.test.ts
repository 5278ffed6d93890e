import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html } from '../../src/report/html.ts';

describe('html', () => {
  it('takes every text as text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const inside = html`<b title="${text}">${text}</b>`.html.slice('<b title="'.length, -'</b>'.length);
        expect(inside.replace('">', '')).not.toMatch(/[<>"']/);
        expect(inside).not.toMatch(/[^\P{Cc}\n\t]/u);
        expect(inside).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)/);
      }),
    );
  });

  it('keeps what it made itself, in lists too, and leaves out what is not there', () => {
    const items = ['a', 'b & c'].map(each => html`<li>${each}</li>`);
    expect(html`<ul>${items}${undefined}${3}</ul>`.html).toBe('<ul><li>a</li><li>b &amp; c</li>3</ul>');
  });
});
