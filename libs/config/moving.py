"""Moving what runs to another bundle: whether that has a place for it."""

from libs.config.bundle import Bundle
from libs.domain.dialogue import step_of
from libs.domain.matter import Matter


def obstacle(matter: Matter, bundle: Bundle) -> str | None:
    """Why a matter cannot go on in a bundle; None where it can."""
    if matter.process_type is not None:
        state_map = bundle.state_maps.get(matter.process_type)
        if state_map is None:
            return f"the bundle has no process {matter.process_type!r}"
        if matter.state not in state_map.states:
            return f"{matter.process_type} has no state {matter.state!r} there"
        if matter.state in state_map.terminal_states:
            return f"the state {matter.state!r} of {matter.process_type} is terminal there"
    places = [(frame.flow, frame.step) for frame in matter.course.stack]
    if matter.flow is not None:
        places.append((matter.flow, matter.step or ""))
    for flow_id, step_id in places:
        flow = bundle.flows.get(flow_id)
        if flow is None:
            return f"the bundle has no flow {flow_id!r}"
        if step_of(flow, step_id) is None:
            return f"the flow {flow_id!r} has no step {step_id!r} there"
    return None
