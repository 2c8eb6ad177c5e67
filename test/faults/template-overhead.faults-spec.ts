import { Logger } from '@nestjs/common';
import { TemplateOverheads } from '../../src/proxy/request/template-overheads';
import { startGateway, TestGateway, TestUser } from '../support/gateway';
import { counterDifferences, untilNothingOpen } from '../support/ledger';
import { onlyUpstream } from '../support/only-upstream';

const TEMPLATE_TOKENS = 2_000;
const LIMIT = 50_000;
const TOOL = { type: 'function', function: { name: 'look', parameters: { type: 'object' } } };
const served = (gateway: TestGateway) => ({ servedName: 'served', servers: [onlyUpstream(gateway)] });
const said = (steps: object) => [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }];

describe.each(['served', 'missing'] as const)(
  'a chat template with 2,000 tokens of its own, where /tokenize is %s',
  (tokenize) => {
    let gateway: TestGateway;
    let replicas: TestGateway[];
    let user: TestUser;

    beforeAll(async () => {
      const models = [{ id: 'served', maxModelLen: 32_768 }];
      gateway = await startGateway({ simulator: { models, tokenize, templateTokens: TEMPLATE_TOKENS } });
      replicas = [gateway, await startGateway({ replicaOf: gateway })];
    });
    afterAll(async () => {
      for (const replica of replicas.toReversed()) await replica.close();
    });
    beforeEach(async () => {
      user = await gateway.register();
      gateway.simulator.journal.clear();
    });
    afterEach(() => jest.restoreAllMocks());

    const chat = async (body: object, via = gateway) => {
      const whole = { model: 'opencode-llm', max_tokens: 5, ...body };
      const answer = await via.post('/v1/chat/completions', user.key, whole);
      await answer.text();
      return answer;
    };
    const used = async () => {
      await untilNothingOpen(gateway);
      const [row] = await gateway.dataSource.query<{ used: string; reserved: string }[]>(
        `SELECT used, reserved FROM limit_windows WHERE subject_id = $1 AND period = 'month'`,
        [user.id],
      );
      expect(row?.reserved).toBe('0');
      return Number(row?.used);
    };
    const leave = async (amount: number) =>
      gateway.dataSource.query(`UPDATE limits SET amount = $2 WHERE subject_id = $1 AND set_by = 'default'`, [
        user.id,
        amount,
      ]);

    const teach = async () => {
      for (const via of replicas) await chat({ messages: said({ tokens: 5 }) }, via);
    };

    if (tokenize === 'missing') {
      it('is learned from the first usage above its bound, and said once by each process', async () => {
        const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
        for (let index = 0; index < 3; index += 1) await teach();
        const learned = warn.mock.calls.filter(([, message]) => String(message).includes('chat template'));
        const once = { model: 'served', tools: false, before: 0, tokens: expect.any(Number) };
        expect(learned.map(([fields]) => fields as unknown)).toEqual([once, once]);
      });
    }

    it.each([{}, { tools: [TOOL], tool_choice: 'none' }])(
      'does not overshoot when 100 requests race over two replicas: %j',
      async (more) => {
        // Without /tokenize only answers can teach.
        if (tokenize === 'missing') await teach();
        await leave(LIMIT);
        const statuses = await Promise.all(
          Array.from({ length: 100 }, async (_, index) => {
            const body = { messages: said({ tokens: 100, tbtMs: 1 }), max_tokens: 100, ...more };
            const answer = await chat({ ...body, stream: index % 4 < 2 }, replicas[index % 2]);
            return answer.status;
          }),
        );
        const total = await used();
        expect(total).toBeLessThanOrEqual(LIMIT);
        expect(total).toBeGreaterThan(LIMIT / 2);
        // A machine that stands still for long makes PostgreSQL's word come too late for some.
        expect(statuses.filter((status) => ![200, 402, 429, 503].includes(status))).toEqual([]);
        expect(await counterDifferences(gateway)).toEqual([]);
      },
    );

    if (tokenize === 'missing') return;

    it('is not learned beyond what a template may be, however much an answer shows', async () => {
      jest.spyOn(Logger.prototype, 'warn').mockImplementation();
      const replica = await startGateway({ replicaOf: gateway });
      try {
        await chat({ messages: said({ tokens: 5 }) }, replica);
        gateway.simulator.settings.templateTokens = 30_000;
        await chat({ messages: said({ tokens: 5 }) }, replica);
        await untilNothingOpen(gateway);
        expect(await replica.app.get(TemplateOverheads).of(served(replica), false)).toBe(16_384);
      } finally {
        gateway.simulator.settings.templateTokens = TEMPLATE_TOKENS;
        await replica.close();
      }
    });

    it("is asked for once, with a chat of the gateway's own", async () => {
      const replica = await startGateway({ replicaOf: gateway });
      try {
        await Promise.all(Array.from({ length: 10 }, () => chat({ messages: said({ tokens: 5 }) }, replica)));
        const asked = gateway.simulator.journal.entries.filter(({ path }) => path === '/tokenize');
        expect(asked).toHaveLength(2);
        expect(JSON.stringify(asked)).not.toContain('SIM:');
      } finally {
        await replica.close();
      }
    });

    it('is asked for again after a minute, and never shrinks', async () => {
      const overheads = gateway.app.get(TemplateOverheads);
      const first = await overheads.of(served(gateway), false);
      const now = performance.now.bind(performance);
      const counted = () =>
        gateway.simulator.journal.entries.filter(
          ({ path, outcome }) => path === '/tokenize' && outcome === 'completed',
        ).length;
      const aMinuteLater = async (minutes: number, templateTokens: number) => {
        gateway.simulator.settings.templateTokens = templateTokens;
        const before = counted();
        jest.spyOn(performance, 'now').mockImplementation(() => now() + minutes * 61_000);
        await overheads.of(served(gateway), false);
        jest.restoreAllMocks();
        while (counted() < before + 2) await new Promise((resolve) => setTimeout(resolve, 10));
        await new Promise((resolve) => setTimeout(resolve, 50));
        return overheads.of(served(gateway), false);
      };
      try {
        expect(await aMinuteLater(1, TEMPLATE_TOKENS + 500)).toBe(first + 500);
        expect(await aMinuteLater(2, TEMPLATE_TOKENS)).toBe(first + 500);
      } finally {
        gateway.simulator.settings.templateTokens = TEMPLATE_TOKENS;
      }
    });

    // Where they stand in both places, the one that does not hold is reserved, too; and what an effort may make of a template.
    it.each<[string, number, (documents: object[]) => object]>([
      ['documents', 0, (documents) => ({ documents })],
      ['documents among the parameters', 0, (documents) => ({ chat_template_kwargs: { documents } })],
      [
        'documents and an effort',
        144,
        (documents) => ({ documents, reasoning_effort: 'low', chat_template_kwargs: { thinking: true } }),
      ],
      [
        'small documents over large parameters',
        3_500,
        (documents) => ({ documents: [{ text: 'x' }], chat_template_kwargs: { documents } }),
      ],
      [
        'large documents over small parameters',
        40,
        (documents) => ({ documents, chat_template_kwargs: { documents: [{ text: 'x' }] } }),
      ],
    ])('counts %s near a limit', async (_, spare, fields) => {
      const room = TEMPLATE_TOKENS + 4_000;
      await leave(room);
      // Nine hundred tokens of documents, and a wish that fits only beside a prompt without them.
      const documents = Array.from({ length: 60 }, () => ({ text: 'and so it goes on' }));
      const answer = await chat({
        messages: said({ tokens: 5_000 }),
        max_tokens: 3_900,
        ...fields(documents),
      });
      expect(answer.status).toBe(200);
      const [sent] = gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));
      const total = await used();
      expect(total).toBeLessThanOrEqual(room);
      expect(total).toBeGreaterThanOrEqual(room - spare);
      expect(sent?.body).toMatchObject(fields(documents));
    });
  },
);
