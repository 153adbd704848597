// A provider with canned answers.
const ANSWERS = [
  ['Acme', 'You should put everything into Acme shares today.'],
  ['index fund', 'An index fund holds all shares of an index.'],
  ['Bonds', 'At your age, sell the shares and buy bonds.'],
  ['account', 'Open the app and choose “new account”; it takes five minutes.'],
  ['gold', 'Gold rises and falls like other goods; I cannot tell you what to buy.'],
  ['loan', 'Refinance it with our bank this week.'],
];
module.exports = class {
  id() { return 'canned-assistant'; }
  async callApi(prompt) {
    return { output: ANSWERS.find(([word]) => prompt.includes(word))[1] };
  }
};
