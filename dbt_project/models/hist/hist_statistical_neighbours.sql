{{ history_of('statistical_neighbours') }}
