from sp00ky_core.job import outcome


def test_each_name_of_an_error_is_among_all_of_them() -> None:
    constants = {name: getattr(outcome, name) for name in outcome.__all__}
    names = {value for name, value in constants.items() if isinstance(value, str)} - {outcome.HTTP}
    assert names == outcome.ERROR_NAMES
