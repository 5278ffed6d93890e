// What the reader's browser may do: filter by machine, go from step to step with arrow keys, open everything before it prints. Without it the
// report has everything as well.
export const script = `
'use strict';
const filter = document.getElementById('filter');
filter.addEventListener('input', () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const each of document.querySelectorAll('[data-m]'))
    each.classList.toggle('off', wanted !== '' && !each.dataset.m.toLowerCase().includes(wanted));
  enter();
});

const says = document.getElementById('step');
const shown = () => [...document.querySelectorAll('.timeline tbody tr:not(.off)')].filter(row => row.querySelector('.step'));
const steps = row => [...row.querySelectorAll('.step')];
const middle = step => step.x.baseVal.value + step.width.baseVal.value / 2;
let entry;
const enter = step => {
  entry?.setAttribute('tabindex', '-1');
  const first = shown()[0];
  entry = step ?? (first && steps(first)[0]);
  entry?.setAttribute('tabindex', '0');
};
enter();
document.addEventListener('focusin', ({ target }) => {
  if (!target.matches('.step')) return;
  enter(target);
  says.textContent = target.closest('tr').dataset.m + ': ' + target.querySelector('title').textContent;
});
document.addEventListener('click', ({ target }) => {
  if (target.matches('.step')) target.focus();
});
document.addEventListener('keydown', event => {
  const { target, key } = event;
  if (!target.matches('.step')) return;
  const row = target.closest('tr');
  const mine = steps(row);
  const rows = shown();
  const beside = rows[rows.indexOf(row) + { ArrowUp: -1, ArrowDown: 1 }[key]];
  const next = {
    ArrowLeft: () => mine[mine.indexOf(target) - 1],
    ArrowRight: () => mine[mine.indexOf(target) + 1],
    Home: () => mine[0],
    End: () => mine.at(-1),
    ArrowUp: () => beside && nearest(beside, middle(target)),
    ArrowDown: () => beside && nearest(beside, middle(target)),
  }[key];
  if (!next) return;
  event.preventDefault();
  next()?.focus();
});
const nearest = (row, x) => steps(row).reduce((best, each) => Math.abs(middle(each) - x) < Math.abs(middle(best) - x) ? each : best);

let closed = [];
addEventListener('beforeprint', () => {
  closed = [...document.querySelectorAll('details:not([open])')];
  for (const each of closed) each.open = true;
});
addEventListener('afterprint', () => {
  for (const each of closed) each.open = false;
});
`;
