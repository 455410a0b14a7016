"""A grid search with scikit-learn, on the backend of a name.

python joblib_search.py BACKEND [ADDRESS]
"""

from __future__ import annotations

import sys
from typing import Any

import joblib
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.svm import SVC

import headrace.joblib  # noqa: F401 - registers the backend

if __name__ == "__main__":
    options: dict[str, Any] = {"coordinator": sys.argv[2]} if sys.argv[2:] else {}
    x, y = load_digits(return_X_y=True)
    x, y = x[:400], y[:400]
    grid = {"C": [0.1, 1.0, 10.0], "gamma": [0.001, 0.01]}
    with joblib.parallel_config(backend=sys.argv[1], n_jobs=2, **options):
        search = GridSearchCV(SVC(random_state=0), grid, cv=3)
        search.fit(x, y)
        print(search.best_params_, search.best_score_)
        print(search.cv_results_["mean_test_score"].tolist())
        forest = RandomForestClassifier(n_estimators=20, n_jobs=2, random_state=1)
        print(cross_val_score(forest, x, y, cv=3).tolist())
