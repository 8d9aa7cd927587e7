from protos.federation_pb2 import Budget, BudgetForecast, BurnAlert
from services.cli.budget import outlook_lines


def test_forecast_and_alerts_are_told_in_words() -> None:
    answer = Budget(
        forecast=BudgetForecast(expected_usd=300, low_usd=250, high_usd=350.5, exhausted_in_days=4.96),
        alerts=[BurnAlert(severity="PAGE", factor=14.4, long_s=3600, short_s=300, long_rate=15, short_rate=20)],
    )
    forecast, alert = outlook_lines(answer)
    assert forecast == "by the end of the month: $300 (80 %: 250 - 350.5); the limit is reached in 5 days"
    assert alert == "page: spent over 1 h and 0.08 h at 15 and 20 times an even rate; allowed: 14.4"


def test_without_an_outlook_nothing_is_said() -> None:
    assert outlook_lines(Budget()) == []
