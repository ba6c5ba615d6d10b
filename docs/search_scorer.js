// The order of search results: pages for a start, then the other pages, then single functions.
var Scorer = {
  first: ["tutorial", "cookbook", "what-now", "faq", "glossary", "nulls", "report"],
  score: (result) => {
    const [page, , , , score] = result;
    if (page.startsWith("api/")) return score - 12;
    return Scorer.first.includes(page) ? score + 3 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
