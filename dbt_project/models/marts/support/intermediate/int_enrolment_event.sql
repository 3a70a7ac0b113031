{#  What schools, colleges, training providers and the apprenticeship service say about learners, as events: S somebody
    started, E somebody ended. A row that has both is two events. Source keys of a list and of its joiners and leavers
    are the same, so their events fall into one line. #}
{% set sources = [
    ('SCHOOL', 'school_post16_enrolment', ['school_number', 'upn'], 'school_number', 'started_on', none, 'expected_end_on',
        'study_mode', 'qualification_level', none, none, none),
    ('COLLEGE', 'college_enrolment', ['ukprn', 'learner_reference'], 'ukprn', 'started_on', none, 'planned_end_on',
        'study_mode', 'qualification_level', none, none, none),
    ('TRAINING', 'training_provider_learners', ['ukprn', 'learner_reference'], 'ukprn', 'started_on', 'left_on',
        'planned_end_on', none, none, 'leaving_reason', 'destination', none),
    ('APPRENTICESHIP', 'apprenticeship_starts', ['apprenticeship_id'], 'ukprn', 'started_on', 'ended_on',
        'planned_end_on', none, 'apprenticeship_level', none, none, none),
    ('SCHOOL', 'school_joiners_leavers', ['school_number', 'upn'], 'school_number', 'happened_on', 'happened_on', none,
        none, none, 'reason', 'destination', 'movement'),
    ('COLLEGE', 'college_joiners_leavers', ['ukprn', 'learner_reference'], 'ukprn', 'happened_on', 'happened_on', none,
        'study_mode', none, 'reason', 'destination', 'movement'),
] %}
{% set events = [] %}
{% for source in sources %}
    {% do events.append((source, 'S')) %}
    {% if source[5] %}{% do events.append((source, 'E')) %}{% endif %}
{% endfor %}
{% for source, movement in events %}
{{ enrolment_event(source, movement) }}
{{ 'union all' if not loop.last }}
{% endfor %}
