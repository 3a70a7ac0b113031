{{ movement_account('(' ~ movement_effects(ref('fct_movement')) ~ ')') }}
