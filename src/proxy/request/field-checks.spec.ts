import { holdsMedia } from './field-checks';

describe('media in a prompt', () => {
  it('are found wherever they stand in a message: their bytes are no bound of their tokens', () => {
    const parts = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }];
    for (const message of [
      { content: parts },
      { reasoning: parts },
      { content: 'a', reasoning_content: parts },
    ])
      expect(holdsMedia([{ role: 'user', content: 'hi' }, message])).toBe(true);
    expect(holdsMedia([{ content: 'image_url', reasoning: [{ type: 'text', text: 'file' }] }])).toBe(false);
  });
});
