import t from 'tap';
import { HeadgateError } from '../../../src/core/base/error.ts';
import { createDriver, type RouterDialect } from '../../../src/router/driver.ts';
import { emptyIntent, type RouterIntent } from '../../../src/router/intent.ts';

/** A router whose section is one line per destination, and which says what was done to it. */
class PaperRouter implements RouterDialect {
  readonly log: string[] = [];
  permanent = '';
  inForce = '';
  refuses = false;
  ignores = false;

  render({ destinations }: RouterIntent): string {
    return destinations.map(({ prefix, gateway }) => `${prefix} ${gateway}\n`).join('');
  }
  async read(): Promise<string> {
    return this.permanent;
  }
  async stage(intent: RouterIntent): Promise<void> {
    this.log.push('stage');
    if (this.refuses) throw new HeadgateError('router_refused', 'no');
    if (!this.ignores) this.inForce = this.render(intent);
  }
  async verify(intent: RouterIntent): Promise<string | undefined> {
    return this.inForce === this.render(intent) ? undefined : 'not as wanted';
  }
  async confirm(): Promise<void> {
    this.log.push('confirm');
    this.permanent = this.inForce;
  }
  clearScript(): string {
    return 'clear';
  }
  async undo(): Promise<void> {
    this.log.push('undo');
    this.inForce = this.permanent;
  }
}

// The cast: a prefix that the test writes canonically.
const wanted = {
  ...emptyIntent,
  destinations: [{ prefix: '10.1.0.0/24', gateway: '192.0.2.1' }],
} as unknown as RouterIntent;

t.test('a change is staged, verified and only then made permanent', async (t) => {
  const router = new PaperRouter();
  const driver = createDriver(router);
  t.same(await driver.apply(wanted), {
    result: 'applied',
    diff: { added: ['10.1.0.0/24 192.0.2.1'], removed: [] },
  });
  t.same(router.log, ['stage', 'confirm']);
  t.equal((await driver.apply(wanted)).result, 'unchanged');
  t.same(router.log, ['stage', 'confirm'], 'nothing is done for nothing');
});

t.test('a router that lost what its file says gets it again', async (t) => {
  const router = new PaperRouter();
  router.permanent = router.render(wanted);
  t.equal((await createDriver(router).apply(wanted)).result, 'applied');
  t.equal(router.inForce, router.permanent);
});

t.test(
  'refused by the router, not done by it, or unsafe: rolled back with the reason',
  async (t) => {
    const refusing = new PaperRouter();
    refusing.refuses = true;
    t.match(await createDriver(refusing).apply(wanted), { result: 'rolled_back', reason: 'no' });

    const ignoring = new PaperRouter();
    ignoring.ignores = true;
    const impatient = createDriver(ignoring, { verifyWithinMs: 0 });
    t.match(await impatient.apply(wanted), { result: 'rolled_back', reason: 'not as wanted' });

    const cutOff = new PaperRouter();
    const isSafe = async () => {
      throw new HeadgateError('command_failed', 'the router is out of reach');
    };
    t.match(await createDriver(cutOff, { isSafe }).apply(wanted), {
      result: 'rolled_back',
      reason: 'the router is out of reach',
    });
    for (const router of [refusing, ignoring, cutOff]) {
      t.same(router.log, ['stage', 'undo']);
      t.equal(router.permanent, '');
      t.equal(router.inForce, '');
    }
  },
);

t.test('two changes at once are made one after the other', async (t) => {
  const router = new PaperRouter();
  const driver = createDriver(router);
  const [first, second] = await Promise.all([driver.apply(wanted), driver.apply(emptyIntent)]);
  t.equal(first.result, 'applied');
  t.equal(second.result, 'applied');
  t.equal(router.permanent, '');
  t.same(router.log, ['stage', 'confirm', 'stage', 'confirm']);
});

t.test('a lease runs before anything is changed, and ends when nothing is left', async (t) => {
  const router = new PaperRouter();
  const timer = {
    start: async (script: string, seconds: number) => {
      router.log.push(`${script} after ${seconds} s`);
    },
    stop: async () => {
      router.log.push('no lease');
    },
  };
  const driver = createDriver(router, { lease: { timer, seconds: 60 } });
  await driver.apply(wanted);
  t.same(router.log.splice(0), ['clear after 60 s', 'stage', 'confirm']);
  await driver.apply(wanted);
  t.same(router.log.splice(0), ['clear after 60 s'], 'prolonged');
  router.refuses = true;
  await driver.apply(emptyIntent);
  t.same(router.log.splice(0), ['stage', 'undo'], 'it ends what could not be taken back');
  router.refuses = false;
  await driver.apply(emptyIntent);
  t.same(router.log.splice(0), ['stage', 'confirm', 'no lease']);
});
