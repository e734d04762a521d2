// Figures with a slider: every state was written by Python; here one is chosen and put in place.
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("div.interactive")) {
    const slider = figure.querySelector("input[type=range]");
    const moving = [...figure.querySelectorAll("[data-states]")].map((element) => ({
      element,
      attribute: element.dataset.attribute,
      states: element.dataset.states.split("|"),
    }));
    const show = () => {
      for (const { element, attribute, states } of moving) {
        const state = states[Number(slider.value)];
        if (attribute) element.setAttribute(attribute, state);
        else element.textContent = state;
      }
    };
    slider.addEventListener("input", show);
    figure.querySelector("[hidden]").hidden = false;
    show();
  }
});
