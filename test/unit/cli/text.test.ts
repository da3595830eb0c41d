import t from 'tap';
import {
  formatBytes,
  formatDuration,
  formatRate,
  formatRtt,
  formatShare,
  formatTable,
} from '../../../src/cli/face/text.ts';
import { renderMoves } from '../../../src/cli/plan.ts';
import { money } from '../../../src/daemon/money/bill.ts';

t.test('figures have three digits and a unit', (t) => {
  t.same([0, 999, 1000, 12_345, 999_600, 12_345_678, 9.9e9, 4e15].map(formatRate), [
    '0',
    '999',
    '1.00 k',
    '12.3 k',
    '1.00 M',
    '12.3 M',
    '9.90 G',
    '4000 T',
  ]);
  t.equal(formatRate(undefined), '-');
  t.equal(formatBytes(1_500_000), '1.50 MB');
  t.equal(formatShare(0.0123), '1.2 %');
  t.equal(formatRtt(1234), '1.23 ms');
  t.equal(formatRtt(123_456), '123 ms');
  t.end();
});

t.test('durations have their two largest units', (t) => {
  t.same([0, 250, 12_000, 90_000, 3_600_000, 3_660_000, 90_000_000].map(formatDuration), [
    '0 ms',
    '250 ms',
    '12 s',
    '1 min 30 s',
    '1 h',
    '1 h 1 min',
    '1 d 1 h',
  ]);
  t.end();
});

t.test('tables are plain lines without blanks at their ends', (t) => {
  const table = formatTable(
    [
      { head: 'a', cell: (row: { a: string }) => row.a },
      { head: 'n', cell: () => '1', align: 'right' },
    ],
    [{ a: 'long' }, { a: '' }],
  );
  t.equal(table, 'a     n\nlong  1\n      1');
  t.end();
});

t.test('money is decimal text with at least two digits', (t) => {
  t.same([0, 1, 450_000, 1_234_567_890, -2_500_000].map(money), [
    '0.00',
    '0.000001',
    '0.45',
    '1234.56789',
    '-2.50',
  ]);
  t.end();
});

t.test('a move that was judged says what came beside what was predicted', async (t) => {
  const move = {
    at: 0,
    block: '198.51.100.0/24',
    from: 'north',
    to: 'south',
    rung: 1,
    outcome: 'worked',
    reason: 'north is full',
    predicted_shift_bitps: 1e6,
  };
  t.match(renderMoves([move]), / worked +north is full/);
  t.match(
    renderMoves([{ ...move, share_predicted: 0.55, share_seen: 0.62 }]),
    /worked: 62 % came, 55 % predicted/,
  );
});
