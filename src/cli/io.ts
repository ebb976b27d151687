/** Where a verb writes. A test hands in memory, `main` the process. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stdoutIsTty: boolean;
  readonly stderrIsTty: boolean;
}

export type Env = Readonly<Record<string, string | undefined>>;
