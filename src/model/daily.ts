// A time of day in a zone, for clocks that count in UTC and know no zones.

/**
 * Cron's words for this hour of every day, by the zone's standard time: the smaller of its offsets in January and July of `year`.
 * So it is the same on every day of the year; while summer time lasts, clocks of the zone show an hour later.
 */
export function dailyInUtc(hour: number, timeZone: string, year: number): string {
  const offsets = [0, 6].map(month => offsetMinutes(timeZone, new Date(Date.UTC(year, month, 1))));
  const minutes = (hour * 60 - Math.min(...offsets) + 2 * 1440) % 1440;
  return `${minutes % 60} ${Math.floor(minutes / 60)} * * *`;
}

/** Minutes that clocks of the zone are ahead of UTC. */
function offsetMinutes(timeZone: string, date: Date): number {
  const shown = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).format(date);
  // 'GMT' alone is UTC.
  const [, sign = '+', hours = '0', minutes = '0'] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(shown) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
