// The order of search results: pages to read before the reference of single functions.
var Scorer = {
  score: (result) => (result[0].startsWith("api/") ? result[4] - 12 : result[4]),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
