import t from 'tap';
import { sampled } from '../../../../src/cli/run/sampled.ts';

t.test(
  'a message that repeats itself is written ten times a minute, then how often it came',
  async (t) => {
    const lines: [string, object, string][] = [];
    const note = (level: string) => (fields: object, message: string) => {
      lines.push([level, fields, message]);
    };
    let at = 0;
    const log = sampled(
      { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
      () => at,
    );
    for (let i = 0; i < 1000; i++) {
      at = i * 10;
      log.warn({ i }, 'again');
      if (i % 100 === 0) log.info({}, `another ${i}`);
    }
    t.equal(lines.filter(([, , message]) => message === 'again').length, 10);
    t.equal(lines.length, 20, 'others are not held back by it');
    at = 60_001;
    log.warn({ i: 1000 }, 'again');
    t.same(lines.at(-1), ['warn', { i: 1000, more: 990 }, 'again']);
    for (let i = 0; i < 5000; i++) log.info({}, `message ${i}`);
    t.equal(lines.length, 5021, 'what is different is all written, and memory is bounded');
  },
);
