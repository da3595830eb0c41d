import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { openShell } from '../../../src/router/shell.ts';
import { createUndoTimer } from '../../../src/router/undo-timer.ts';
import { waitFor } from '../../support/lab.ts';

/** This machine as the router. */
const shell = openShell([], 10_000);

t.test(
  'runs unless stopped; neither an old timer nor a stopped one touches a new one',
  async (t) => {
    const folder = mkdtempSync(`${tmpdir()}/hgundo-`);
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const done = (name: string) => `${folder}/${name}.done`;
    const timer = createUndoTimer(shell, 'test', folder);

    await timer.start(`touch ${done('stopped')}`, 1);
    await timer.stop();
    await timer.start(`touch ${done('replaced')}`, 1);
    await timer.start(`touch ${done('last')}`, 2);
    await waitFor('the last one runs', 30_000, () => existsSync(done('last')));
    t.notOk(existsSync(done('stopped')));
    t.notOk(existsSync(done('replaced')));
    await waitFor('nothing is left behind', 30_000, () =>
      readdirSync(folder).every((file) => !file.endsWith('.undo')),
    );
  },
);
