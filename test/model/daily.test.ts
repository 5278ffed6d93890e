// An hour of a zone's day as cron in UTC: the same on every day of the year.
import { describe, expect, it } from 'vitest';
import { dailyInUtc } from '../../src/model/daily.ts';

describe('three in the morning', () => {
  it.each([
    ['UTC', '0 3 * * *'],
    ['Asia/Seoul', '0 18 * * *'],
    ['Europe/Berlin', '0 2 * * *'],
    ['Europe/London', '0 3 * * *'],
    // Its law calls summer time standard; its clocks are what counts here.
    ['Europe/Dublin', '0 3 * * *'],
    ['Atlantic/Azores', '0 4 * * *'],
    ['Asia/Kolkata', '30 21 * * *'],
    ['Asia/Kathmandu', '15 21 * * *'],
    ['America/St_Johns', '30 6 * * *'],
    ['America/New_York', '0 8 * * *'],
    ['Australia/Sydney', '0 17 * * *'],
    ['Australia/Lord_Howe', '30 16 * * *'],
    ['Pacific/Auckland', '0 15 * * *'],
    ['Pacific/Kiritimati', '0 13 * * *'],
    ['Etc/GMT+12', '0 15 * * *'],
  ])('of %s is %s', (timeZone, cron) => {
    expect(dailyInUtc(3, timeZone, 2026)).toBe(cron);
  });

  it.each(['Europe/Berlin', 'Australia/Sydney', 'America/St_Johns'])(
    'is what clocks of %s show on one day of the year at least, and an hour later on the others',
    timeZone => {
      const [minute = '', hour = ''] = dailyInUtc(3, timeZone, 2026).split(' ');
      const clock = new Intl.DateTimeFormat('en', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
      const days = Array.from({ length: 365 }, (_, day) => Date.UTC(2026, 0, 1 + day, Number(hour), Number(minute)));
      expect([...new Set(days.map(day => clock.format(day)))].sort()).toEqual(['03:00', '04:00']);
    },
  );
});

it('is written for every hour and zone as cron takes it', () => {
  for (const timeZone of ['UTC', ...Intl.supportedValuesOf('timeZone')]) {
    for (const hour of [0, 3, 23]) {
      const [minutes, hours, ...rest] = dailyInUtc(hour, timeZone, 2026).split(' ');
      expect(Number(minutes)).toBeLessThan(60);
      expect(Number(hours)).toBeLessThan(24);
      expect([minutes, hours].join(' ')).toMatch(/^\d+ \d+$/);
      expect(rest).toEqual(['*', '*', '*']);
    }
  }
});
