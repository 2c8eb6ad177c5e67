import { ApiProperty } from '@nestjs/swagger';
import { KEY_FROM_ENVIRONMENT, KEY_VARIABLE } from './opencode-config';

/**
 * Runs on the user's machine, where opencode shows it first. It prints the key: that of the environment, else what is
 * typed at the terminal. It asks nobody and refuses what is no key: with a wrong one opencode would not start again.
 */
const KEY_SCRIPT = [
  `k=$${KEY_VARIABLE};`,
  'if [ -z "$k" ]; then',
  "stty -echo < /dev/tty || exit 1; trap 'stty echo < /dev/tty' EXIT; trap 'exit 1' INT TERM;",
  "printf 'API key: ' > /dev/tty; read -r k < /dev/tty; echo > /dev/tty;",
  'fi;',
  'case $k in llmk_*) printf %s "$k";; *) echo "That is no API key (llmk_...)." >&2; exit 1;; esac',
].join(' ');
const KEY_COMMAND = ['sh', '-c', KEY_SCRIPT];

class OpencodeAuth {
  @ApiProperty({
    type: [String],
    example: KEY_COMMAND,
    description: 'Prints the key; opencode shows it first',
  })
  command: string[];
  @ApiProperty({ example: KEY_VARIABLE, description: 'The variable that will hold the key' })
  env: string;
}

class RemoteConfig {
  @ApiProperty({ example: 'http://localhost:8002/connect/opencode.json' }) url: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { Authorization: `Bearer ${KEY_FROM_ENVIRONMENT}` },
  })
  headers: Record<string, string>;
}

/** What `opencode auth login <url>` reads, and opencode again at each of its starts. */
export class OpencodeLogin {
  @ApiProperty() auth: OpencodeAuth;
  @ApiProperty() remote_config: RemoteConfig;
}

export function opencodeLogin(baseUrl: string): OpencodeLogin {
  return {
    auth: { command: KEY_COMMAND, env: KEY_VARIABLE },
    remote_config: {
      url: `${baseUrl}/connect/opencode.json`,
      headers: { Authorization: `Bearer ${KEY_FROM_ENVIRONMENT}` },
    },
  };
}
