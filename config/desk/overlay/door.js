/* Through the door: ask the queue, which respects what others hold, and go on to the texts. */
(function () {
  var told = document.currentScript.dataset;
  try {
    localStorage.setItem("dm:labelstream:mode", "all");
    localStorage.setItem("vernacular:words", told.words);
  } catch (error) { /* not kept here */ }
  location.replace(told.to);
})();
