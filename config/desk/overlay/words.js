/* A page of ours in the words that the door left with this browser, if it did. */
(function () {
  var words = {};
  try { words = JSON.parse(localStorage.getItem("vernacular:words")) || {}; } catch (error) { /* none */ }
  document.querySelectorAll("[data-word]").forEach(function (place) {
    var word = words[place.dataset.word];
    if (typeof word === "string" && word) place.textContent = word;
  });
  if (words.lang) document.documentElement.lang = words.lang;
  if (words.dir) document.documentElement.dir = words.dir;
})();
