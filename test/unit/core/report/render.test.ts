import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { type Report, renderReport } from '../../../../src/core/report/render.ts';

const require = createRequire(import.meta.url);
const asset = (name: string) => readFileSync(require.resolve(`uplot/dist/${name}`), 'utf8');
const assets = { chartScript: asset('uPlot.iife.min.js'), chartStyle: asset('uPlot.min.css') };

const start = Date.UTC(2026, 0, 1);
const times = Array.from({ length: 288 }, (_, i) => ms(start + i * 300_000));
const wave = (phase: number) => times.map((_, i) => 4e8 * (1 + Math.sin(i / 40 + phase)));
const link = (name: string, phase: number) => ({
  link: linkId(name),
  capacity: bitps(1e9),
  inbound: wave(phase),
  outbound: wave(phase + 1),
  retransmission: times.map((_, i) => (i % 50 === 0 ? null : 0.004)),
  lossRatio: times.map(() => 0.002),
  rttUs: times.map(() => 18_000),
  percentile: bitps(7e8),
  commit: bitps(5e8),
});
const report: Report = {
  unit: 'west',
  from: ms(start),
  to: ms(start + 86_400_000),
  times,
  links: [link('north', 0), link('south', 2)],
  moves: [
    {
      at: ms(start + 3_600_000),
      block: prefixText('198.51.100.0/24'),
      from: 'north',
      to: 'south',
      reason: 'north above 85 % <script>alert(1)</script>',
      outcome: 'worked',
    },
  ],
  rails: [{ rail: 'dwell', refused: 0, postponed: 12 }],
  bills: [{ link: linkId('north'), soFar: 'EUR 210.00', forecast: 'EUR 450.00' }],
};

t.test('the page needs no network and cannot be broken by what it shows', async (t) => {
  const html = renderReport(report, assets);
  t.notMatch(html, /(src|href)="(https?:)?\/\//);
  t.notMatch(html, /<script>alert/);
  t.match(html, '198.51.100.0/24');
  t.match(html, 'EUR 450.00');
});

const hasChromium = spawnSync('chromium', ['--version']).status === 0;
t.test(
  'a browser draws every chart without an error',
  { skip: hasChromium ? false : 'chromium is not installed' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hgreport-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const page = join(folder, 'report.html');
    // An error in any script shows as the title, which the dumped page carries.
    const guard =
      '<script>addEventListener("error", (e) => { document.title = "failed: " + e.message; });</script>';
    writeFileSync(page, renderReport(report, assets).replace('<head>', `<head>${guard}`));
    const run = spawnSync(
      'chromium',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        `--user-data-dir=${folder}/profile`,
        '--virtual-time-budget=3000',
        '--dump-dom',
        `file://${page}`,
      ],
      { encoding: 'utf8', timeout: 60_000 },
    );
    t.match(run.stdout, /<title>headgate west/);
    t.equal(
      run.stdout.match(/<canvas/g)?.length,
      6,
      'load, retransmission and response time of two links',
    );
  },
);
