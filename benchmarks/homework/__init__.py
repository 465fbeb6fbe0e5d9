"""How often does the grader of homework err, on right solutions and on wrong ones?"""
