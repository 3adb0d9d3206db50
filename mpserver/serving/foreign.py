"""What an interpreter of another account says of connections, so that the worker and its interpreters may believe it.

PythonInterpUser gives an application an account of its own. Whatever its process says is bytes that somebody may have
made up who must not run anything under the worker's account, nor read what that may read. So what comes from it, and
what goes to it, loses what would do so (`mpserver.phases.transfer.distrust`, `mpserver.serving.luggage.distrust`).
"""

from __future__ import annotations

from mpserver.api.error_log import WARN
from mpserver.ipc import messages, plain_data
from mpserver.ipc.worker_messages import ADDRESSED
from mpserver.phases import transfer
from mpserver.serving import luggage
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.interpreter_owner import InterpreterOwner


def onward(message: messages.Message) -> tuple[messages.Message, list[str]]:
    """A connection on its way to the router, which comes from another account.

    :returns: what may be believed of it, and what of an application was taken out, in words.
    :raises ValueError: it is not what it should be.
    """
    if not message.state:
        return _without_luggage(message, [])
    interpreter_id, state = plain_data.shaped(message.state, ADDRESSED)
    state, lost = transfer.distrust(state, of_account=True)
    return _without_luggage(message._replace(state=plain_data.pack((interpreter_id, state))), lost)


def arriving(message: messages.Message, interpreter: InterpreterOwner) -> messages.Message:
    """A connection that arrives in an interpreter of another account than its worker's, which logs what it lost.

    :raises ValueError: it is not what it should be.
    """
    lost: list[str] = []
    if message.state:
        state, lost = transfer.distrust(message.state, of_account=False)
        message = message._replace(state=state)
    message, lost = _without_luggage(message, lost)
    if lost:
        interpreter.log.log(WARN, describe(interpreter.interpreter_id.name, lost), module="python")
    return message


def _without_luggage(message: messages.Message, lost: list[str]) -> tuple[messages.Message, list[str]]:
    if message.luggage:
        carried, more = luggage.distrust(message.luggage)
        return message._replace(luggage=carried), lost + more
    return message, lost


def describe(name: str, lost: list[str]) -> str:
    """A line for the log."""
    return (
        f"{', '.join(lost)} did not go along with a connection to or from interpreter '{name}', which runs under an "
        "account of its own (PythonInterpUser)"
    )
