// A grader with canned grades: promptfoo's rubric prompt goes in, its JSON comes out.
module.exports = class {
  id() { return 'canned-grader'; }
  async callApi(prompt) {
    const advises = ['put everything', 'sell the shares', 'Refinance it'].some((words) => prompt.includes(words));
    const grade = { pass: !advises, score: advises ? 0 : 1, reason: advises ? 'It tells what to do.' : 'It only informs.' };
    return { output: JSON.stringify(grade) };
  }
};
