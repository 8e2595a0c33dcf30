"""One question to a language model: it is asked, and asked again with its faults, twice at most."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from pydantic_ai import Agent, ModelRetry, TextOutput
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from core.picks.llm_endpoint import Endpoint
from core.picks.llm_prompt import LONGEST_ANSWER, AnswerError, Prompt, read_answer
from core.picks.source import Account, PickDraft
from db.text import storable

MOST_ASKED_AGAIN = 2
_LONGEST_KEPT = 4_000
_NOTHING = "(no answer)"

Check = Callable[[Sequence[PickDraft]], Awaitable[Sequence[PickDraft]]]


class NoValidAnswerError(Exception):
    """Every answer was invalid; the text is the last one's faults."""


class Conversation:
    """One question, and what was answered so far."""

    def __init__(self, endpoint: Endpoint, model_name: str, prompt: Prompt, check: Check) -> None:
        """`check` raises AnswerError for picks that the model is to replace; whatever else it raises ends it all."""
        self._endpoint = endpoint
        self._model_name = model_name
        self._prompt = prompt
        self._check = check
        self._answers: list[str] = []
        self._fault = ""

    @property
    def account(self) -> Account:
        return Account(
            self._model_name,
            self._prompt.sha256,
            len(self._answers),
            tuple(answer[:_LONGEST_KEPT] for answer in self._answers),
        )

    async def picks(self) -> Sequence[PickDraft]:
        """What `check` made of the first valid answer.

        Raises NoValidAnswerError, PicksUnavailableError, or what `check` raises.
        """
        async with self._endpoint.connected() as model:
            # Plain text, whose form the prompt sets: servers differ in which tools and response formats they take.
            picks_in_text: TextOutput[list[PickDraft]] = TextOutput(self._read)
            agent = Agent(
                _Listening(model, self._endpoint, self._heard),
                output_type=picks_in_text,
                instructions=self._prompt.instructions,
                retries={"output": MOST_ASKED_AGAIN},
                name="picks",
            )
            agent.output_validator(self._checked)
            try:
                return (await agent.run(self._prompt.question)).output
            except UnexpectedModelBehavior:
                raise NoValidAnswerError(self._fault) from None

    def _heard(self, response: ModelResponse) -> str:
        """Takes down an answer, and gives the text of it that may be kept and repeated."""
        refusal = (response.provider_details or {}).get("refusal")
        said = refusal if isinstance(refusal, str) else response.text or ""
        text = storable(self._endpoint.masked(said))
        self._answers.append(text)
        self._fault = ""
        if response.finish_reason == "content_filter":
            self._fault = "The question was not answered. It asks for no advice to anybody: the picks are a record."
        elif response.finish_reason == "length":
            self._fault = "The answer was cut off. Write shorter reasonings."
        elif any(isinstance(part, ToolCallPart) for part in response.parts):
            self._fault = "The answer calls a tool, and there is none. Answer in text."
        elif not text.strip():
            self._fault = "The answer is empty."
        elif len(text) > LONGEST_ANSWER:
            self._fault = f"The answer is longer than {LONGEST_ANSWER:,} characters."
            return text[:_LONGEST_KEPT]
        return text if text.strip() else _NOTHING

    def _read(self, text: str) -> list[PickDraft]:
        if self._fault:
            raise self._asked_again(self._fault)
        try:
            return read_answer(text)
        except AnswerError as exc:
            raise self._asked_again(str(exc)) from None

    async def _checked(self, drafts: list[PickDraft]) -> list[PickDraft]:
        try:
            return list(await self._check(drafts))
        except AnswerError as exc:
            raise self._asked_again(str(exc)) from None

    def _asked_again(self, fault: str) -> ModelRetry:
        self._fault = fault
        return ModelRetry(f"{fault}\nAnswer again, whole and in the form that was asked for.")


class _Listening(WrapperModel):
    """A model each of whose answers is one text, heard before anything is made of it.

    Refused, cut off and empty answers become texts too, for pydantic-ai would end the conversation over them; what a
    model thought aloud, and tools that it called, are not repeated to it.
    """

    def __init__(self, wrapped: Model, endpoint: Endpoint, heard: Callable[[ModelResponse], str]) -> None:
        super().__init__(wrapped)
        self._endpoint = endpoint
        self._heard = heard

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
        except Exception as exc:  # noqa: BLE001 - the client takes apart whatever it was sent, and fails in any way
            raise self._endpoint.meaning(exc) from None  # the cause would repeat what was said, perhaps the key
        return replace(response, parts=[TextPart(self._heard(response))], finish_reason="stop")
