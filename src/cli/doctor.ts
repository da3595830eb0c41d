/** `headgate doctor`: whether this machine is fit for its settings, and what to do about what is not. */
import type { Command } from 'commander';
import { gatherFacts } from './doctor/facts.ts';
import { type Finding, judge } from './doctor/judge.ts';
import { print } from './face/ask.ts';
import { exitCodes } from './face/exit.ts';
import { defaultSettingsFile, ownSettings, requireSettings } from './face/settings-file.ts';

interface Options {
  readonly config: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('doctor')
    .description('whether this machine is fit for its settings, and what to do about what is not')
    .option('-c, --config <file>', 'settings', defaultSettingsFile)
    .option('--json', 'one JSON value on stdout, nothing else')
    .action(async ({ config, json }: Options) => {
      const settings = ownSettings(requireSettings(config));
      const findings = judge(settings, await gatherFacts(settings, config));
      if (findings.some(({ state }) => state === 'fail')) process.exitCode = exitCodes.failed;
      print(json === undefined ? {} : { json }, findings, renderFindings);
    });
}

const signs = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

export function renderFindings(findings: readonly Finding[]): string {
  return findings
    .map(
      ({ topic, state, what, todo }) =>
        `${signs[state]} ${topic}: ${what}${todo === undefined ? '' : `\n       -> ${todo}`}`,
    )
    .join('\n');
}
